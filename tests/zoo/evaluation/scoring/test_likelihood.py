import copy

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, FalconConfig, GPTNeoConfig, MistralConfig, Qwen2Config

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.evaluation.scoring.likelihood import log_likelihoods, per_token
from zoo.evaluation.scoring.token_trees import Candidate, batch_trees, build_token_trees

VOCABULARY = words_vocabulary()
TINY = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
}


@pytest.fixture(scope="module")
def network():
    network = tiny_network(VOCABULARY)
    with torch.no_grad():
        network.lm_head.weight *= 20  # far from uniform
    return network.eval()


def candidates(count=40, seed=0):
    draw = np.random.default_rng(seed)
    return [
        Candidate(*(draw.integers(0, len(VOCABULARY), draw.integers(1, 30)) for _ in range(2))) for _ in range(count)
    ]


def reference(network, candidate):
    """One token at a time."""
    ids, total = candidate.prompt.tolist(), 0.0
    for token in candidate.continuation.tolist():
        total += torch.log_softmax(network(torch.tensor([ids])).logits[0, -1].double(), -1)[token].item()
        ids.append(token)
    return total


def test_sums_are_those_of_one_token_at_a_time(network):
    items = candidates()
    with torch.inference_mode():
        want = np.array([reference(network, item) for item in items])
    got = log_likelihoods(network, items)
    assert got.dtype == np.float64 and got == pytest.approx(want, rel=1e-4)
    assert per_token(got, items) == pytest.approx(want / [len(item.continuation) for item in items], rel=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 100, 333])
def test_the_others_in_a_batch_do_not_matter(network, batch_tokens):
    items = candidates()
    assert log_likelihoods(network, items, batch_tokens) == pytest.approx(log_likelihoods(network, items), rel=1e-4)


@pytest.mark.parametrize("batch_tokens", [100, 1000])
def test_batches_hold_every_item_once_and_no_more_than_asked(batch_tokens):
    trees = list(build_token_trees(candidates(100)))
    batches = list(batch_trees(trees, batch_tokens))
    assert sorted(number for batch in batches for tree in batch for number in tree.paths) == list(range(100))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(len(tree.ids) for tree in batch) <= batch_tokens


def families(count=12, seed=0):
    """Continuations of common prompts: some share a beginning, some are prompts of others, some occur twice."""
    draw, items = np.random.default_rng(seed), []
    for _ in range(count):
        prompt, middle = draw.integers(0, len(VOCABULARY), 30), draw.integers(0, len(VOCABULARY), 4)
        ends = [draw.integers(0, len(VOCABULARY), draw.integers(1, 9)) for _ in range(4)]
        items += [Candidate(prompt, end) for end in ends[:2]] + [
            Candidate(prompt, np.concatenate([middle, end])) for end in ends
        ]
        items += [
            Candidate(np.concatenate([prompt, middle]), ends[3]),
            Candidate(prompt, ends[0]),
            Candidate(prompt[:20], prompt[20:]),
        ]
    return [items[i] for i in draw.permutation(len(items))]


@pytest.mark.parametrize("batch_tokens", [60, 300, 16_384])
def test_shared_beginnings_change_nothing(network, batch_tokens):
    items = families()
    with torch.inference_mode():
        want = np.array([reference(network, item) for item in items])
    assert log_likelihoods(network, items, batch_tokens) == pytest.approx(want, rel=1e-4)


def test_shared_beginnings_are_computed_once():
    items = families()
    trees, apart = list(build_token_trees(items)), sum(len(item.ids) for item in items)
    assert sum(len(tree.ids) for tree in trees) < apart / 3
    nodes = {tuple(item.ids[:end].tolist()) for item in items for end in range(1, len(item.ids))}
    assert sum(len(tree.ids) for tree in trees) == len(nodes)


def test_an_item_beyond_the_context_is_an_error(network):
    with pytest.raises(ValueError, match="has 130 tokens, but this model reads at most 128"):
        log_likelihoods(network, [Candidate(np.zeros(100, int), np.ones(30, int))])


def test_weights_of_low_precision_are_near_the_exact_ones(network):
    exact = log_likelihoods(network, candidates())
    assert log_likelihoods(copy.deepcopy(network).to(torch.bfloat16), candidates()) == pytest.approx(exact, rel=0.05)


def test_continuations_of_one_prompt_that_are_all_there_is_add_up_to_one(network):
    prompt = np.array([VOCABULARY.bos, 5, 7])
    every = [Candidate(prompt, np.array([token])) for token in range(VOCABULARY.num_rows)]
    assert np.exp(log_likelihoods(network, every)).sum() == pytest.approx(1.0, abs=1e-4)


def test_the_chain_rule_holds(network):
    for candidate in candidates(10):
        for cut in range(1, len(candidate.continuation)):
            head, tail = candidate.continuation[:cut], candidate.continuation[cut:]
            parts = log_likelihoods(
                network, [Candidate(candidate.prompt, head), Candidate(np.concatenate([candidate.prompt, head]), tail)]
            )
            assert parts.sum() == pytest.approx(log_likelihoods(network, [candidate])[0], rel=1e-4)
            break


def test_the_network_is_left_in_the_mode_it_was_in(network):
    network.train()
    log_likelihoods(network, candidates(2))
    assert network.training
    network.eval()


@pytest.mark.parametrize("prompt, continuation", [([], [1]), ([1], [])])
def test_an_empty_side_is_an_error(prompt, continuation):
    with pytest.raises(ValueError, match="at least one token each"):
        Candidate(np.array(prompt), np.array(continuation))


def test_several_cores_score_as_one_does_and_are_left_as_they_were(network):
    items, threads = (
        [Candidate(np.array([0, 1, n]), np.arange(2, 6 + n % 3)) for n in range(40)],
        torch.get_num_threads(),
    )
    sums = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            sums.append(log_likelihoods(network, items, batch_tokens=64))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(*sums, rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(sliding_window=16, **TINY),
        Qwen2Config(use_sliding_window=True, sliding_window=16, max_window_layers=1, **TINY),
        GPTNeoConfig(
            vocab_size=TINY["vocab_size"],
            hidden_size=16,
            num_layers=2,
            num_heads=2,
            attention_types=[[["global", "local"], 1]],
            window_size=16,
        ),
        BloomConfig(vocab_size=TINY["vocab_size"], hidden_size=16, n_layer=2, n_head=2),
        FalconConfig(
            vocab_size=TINY["vocab_size"],
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            alibi=True,
            multi_query=False,
            parallel_attn=False,
        ),
    ],
)
def test_networks_with_masks_of_their_own_score_candidates_in_rows_of_their_own(config):
    """Sliding windows, shorter and longer than the candidates, and attention that is biased by distance."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    short, long, longer = (Candidate(np.arange(length), np.arange(4)) for length in (12, 13, 20))
    for batch in ([short], [long], [short, longer, long]):
        with torch.inference_mode():
            expected = [reference(model, candidate) for candidate in batch]
        assert log_likelihoods(model, batch) == pytest.approx(expected, rel=1e-4)


def test_a_window_that_is_not_in_use_refuses_nothing():
    model = AutoModelForCausalLM.from_config(Qwen2Config(use_sliding_window=False, sliding_window=16, **TINY)).eval()
    log_likelihoods(model, [Candidate(np.arange(30), np.arange(4))])


def test_a_failure_leaves_the_mode_and_the_attention_as_they_were(network):
    network.train()
    with pytest.raises(IndexError):
        log_likelihoods(network, [Candidate(np.array([1, 10**6]), np.array([2, 3]))])
    assert network.training and network.config._attn_implementation == "sdpa"
    network.eval()
