from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from tests.toy_tokens import tiny_network, words_vocabulary
from zoo.evaluation.generation import continuations
from zoo.evaluation.generation.continuations import generate_continuations
from zoo.language.generation import Sampling

VOCABULARY = words_vocabulary()
BOS, EOS, T, FIRST = VOCABULARY.bos, VOCABULARY.eos, VOCABULARY.text_marker, VOCABULARY.first_unit


@pytest.fixture(scope="module")
def network():
    return tiny_network(VOCABULARY).eval()


def greedy_by_hand(network, prompt, allowed, stop, most):
    ids = prompt.tolist()
    for _ in range(most):
        with torch.inference_mode():
            logits = network(torch.tensor([ids])).logits[0, -1]
        ids.append(max(allowed, key=lambda i: logits[i].item()))
        if ids[-1] == EOS or ids[-len(stop) :] == stop:
            break
    new = ids[len(prompt) :]
    if new[-1] == EOS:
        return new[:-1]
    return new[: -len(stop)] if new[-len(stop) :] == stop else new


@pytest.mark.parametrize("to", ["text", "speech"])
def test_continuations_are_those_of_one_at_a_time_up_to_a_stop(network, to):
    draw = np.random.default_rng(0)
    prompts = [np.array([BOS, T, *draw.integers(3, len(VOCABULARY), length)]) for length in (3, 30, 11)]
    units, pieces = set(range(FIRST, len(VOCABULARY))), set(range(VOCABULARY.num_text)) - {BOS}
    free = [
        greedy_by_hand(network, prompt, (units if to == "speech" else pieces) | {EOS}, [-1], 8) for prompt in prompts
    ]
    stop = [free[1][2]]  # an id in the middle of a continuation
    allowed = (units if to == "speech" else pieces) | {EOS} | set(stop)
    for ids, ends in (((), [-1]), (stop, stop)):
        generated = generate_continuations(network, VOCABULARY, prompts, to, Sampling(8, temperature=0), ids)
        assert [sequence.tolist() for sequence in generated] == [
            greedy_by_hand(network, prompt, allowed, ends, 8) for prompt in prompts
        ]
    assert len(generated[1]) <= 2


def test_a_stop_of_several_tokens_is_cut_off():
    assert continuations._truncate(np.array([5, 6, 7, 8, 6, 7]), EOS, [6, 7]).tolist() == [5]
    assert continuations._truncate(np.array([5, EOS, 6, 7]), EOS, [6, 7]).tolist() == [5]
    assert continuations._truncate(np.array([5, 6]), EOS, [6, 7]).tolist() == [5, 6]


def test_a_prompt_without_room_is_an_error(network):
    with pytest.raises(
        ValueError, match="has 128 tokens, but the model has room for at most 127 before a continuation"
    ):
        generate_continuations(network, VOCABULARY, [np.zeros(128, np.int64)], "text", Sampling(5))


def test_as_many_batch_size_as_their_keys_and_values_have_room():

    def sizes(**config):
        return SimpleNamespace(config=LlamaConfig(**config))

    assert continuations._batch_size(sizes(hidden_size=128, num_hidden_layers=3, num_attention_heads=2), 500) == 128
    llama_7b = sizes(hidden_size=4096, num_hidden_layers=32, num_attention_heads=32)
    assert continuations._batch_size(llama_7b, 500) == 32  # of half a MiB a token each, 8 GiB in all
    shared = sizes(hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8)
    assert continuations._batch_size(shared, 500) == 128 and continuations._batch_size(llama_7b, 1 << 20) == 1


def test_draws_of_a_chunk_do_not_depend_on_others(network, monkeypatch):
    monkeypatch.setattr(continuations, "MAX_BATCH_PROMPTS", 2)
    prompts = [np.array([BOS, T, 5 + n, 7]) for n in range(5)]

    def sample(prompts):
        sampled = generate_continuations(network, VOCABULARY, prompts, "speech", Sampling(6, seed=3))
        return [ids.tolist() for ids in sampled]

    assert sample(prompts)[:2] == sample(prompts[:2]) and sample(prompts) == sample(prompts)
