"""A language model on a GPU scores, goes on and is loaded as on the processor."""

import copy

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.toy_tokens import sentences, tiny_network, words_vocabulary, write_sentences
from zoo.evaluation.generation.continuations import generate_continuations
from zoo.evaluation.generation.few_shot import FewShotEvaluator
from zoo.evaluation.representation_alignment import measure_alignment
from zoo.evaluation.scoring.bits import measure_bits
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.suites.few_shot_suite import Utterance
from zoo.interop.huggingface import export_language_model
from zoo.language.adapters import load_adapted, lora, merged, only_base, save_adapter, save_language_model
from zoo.language.generation import Sampling, encode_prompt, generate
from zoo.language.networks import llama
from zoo.language.streaming import stream_ids
from zoo.tokens.store import TokenTable
from zoo.tokens.units import parse

VOCABULARY = words_vocabulary()
CONTRACT = {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract}
PROMPTS = [
    ["anna tom"],
    [parse("[Hu3][Hu4][Hu9]", VOCABULARY.streams)],
    ["ben", parse("[Hu1]", VOCABULARY.streams), "vera sam"],
]


@pytest.fixture(scope="module")
def networks(device):
    """The same network on the processor and on the device; far from uniform, so that rounding turns nothing."""
    network = tiny_network(VOCABULARY, max_positions=512)
    with torch.no_grad():
        network.lm_head.weight *= 20
    return network.eval(), copy.deepcopy(network).to(device).eval()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return TokenTable(write_sentences(tmp_path_factory.mktemp("tokens"), dev=20), "dev")


def candidates(count=60):
    draw = np.random.default_rng(0)
    prompts = [draw.integers(0, len(VOCABULARY), draw.integers(1, 60)) for _ in range(8)]
    return [Candidate(prompts[n % 8], draw.integers(0, len(VOCABULARY), draw.integers(1, 30))) for n in range(count)]


def test_likelihoods_are_those_of_the_processor_and_of_one_at_a_time(networks):
    here, there = networks
    items = candidates()
    found = log_likelihoods(there, items)
    assert found == pytest.approx(log_likelihoods(here, items), rel=1e-4)
    assert found == pytest.approx([log_likelihoods(there, [item])[0] for item in items], rel=1e-4)
    halves = log_likelihoods(copy.deepcopy(there).bfloat16(), items)
    assert halves == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize("to", ["text", "speech", "any"])
def test_greedy_continuations_are_those_of_the_processor(networks, to):
    here, there = networks
    greedy = Sampling(24, temperature=0)
    assert [one.segments.__repr__() for one in generate(there, VOCABULARY, PROMPTS, to, greedy)] == [
        one.segments.__repr__() for one in generate(here, VOCABULARY, PROMPTS, to, greedy)
    ]
    for prompt in PROMPTS:
        assert list(stream_ids(there, VOCABULARY, prompt, to, greedy)) == list(
            stream_ids(here, VOCABULARY, prompt, to, greedy)
        )


def test_draws_are_repeated_by_their_seed_and_touch_no_others(networks, device):
    _, there = networks
    torch.manual_seed(5)
    before = torch.rand(2, device=device)
    torch.manual_seed(5)
    first, again, other = (
        generate(there, VOCABULARY, PROMPTS, "any", Sampling(40, 1.0, 1.0, seed)) for seed in (1, 1, 2)
    )
    assert repr(first) == repr(again) != repr(other)
    assert torch.equal(torch.rand(2, device=device), before)
    one = stream_ids(there, VOCABULARY, PROMPTS[0], "any", Sampling(40, 1.0, 1.0, 1))
    assert list(one) == list(stream_ids(there, VOCABULARY, PROMPTS[0], "any", Sampling(40, 1.0, 1.0, 1)))


def test_speech_ends_after_its_seconds(networks):
    here, there = networks
    sampling = Sampling(60, temperature=0, max_speech_seconds=0.4)
    assert repr(generate(there, VOCABULARY, PROMPTS, "speech", sampling)) == repr(
        generate(here, VOCABULARY, PROMPTS, "speech", sampling)
    )


def test_few_shot_answers_and_continuations_are_those_of_the_processor(networks):
    here, there = networks
    shots, asked = (
        [Utterance(row.id, row.text, row.speech_ids) for row in sentences(count, seed=seed)]
        for count, seed in ((6, 0), (4, 1))
    )
    found, want = (
        FewShotEvaluator(network, VOCABULARY, 2, max_new_tokens=12).recognize(shots, asked) for network in (there, here)
    )
    assert found.answers == want.answers
    prompts = [np.array(encode_prompt(VOCABULARY, prompt, "speech")) for prompt in PROMPTS]
    drawn = [generate_continuations(there, VOCABULARY, prompts, "speech", Sampling(20, 0.8, seed=3)) for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*drawn))


def test_alignment_and_bits_are_those_of_the_processor(networks, table):
    here, there = networks
    for a, b in zip(
        measure_alignment(there, VOCABULARY, table).layers, measure_alignment(here, VOCABULARY, table).layers
    ):
        assert a.similarities == pytest.approx(b.similarities, abs=1e-3)
    found, want = (measure_bits(network, VOCABULARY, table, row_length=256) for network in (there, here))
    assert {kind: one.rate.value for kind, one in found.items()} == pytest.approx(
        {kind: one.rate.value for kind, one in want.items()}, rel=1e-4
    )


def test_an_exported_model_and_an_adapter_give_the_same_there(device, tmp_path):
    save_language_model(tiny_network(VOCABULARY), tmp_path / "model", VOCABULARY, CONTRACT)
    export_language_model(tmp_path / "model", tmp_path / "exported")
    ids = torch.randint(len(VOCABULARY), (2, 24), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = AutoModelForCausalLM.from_pretrained(tmp_path / "exported").eval()
        base = plain(ids).logits
        torch.testing.assert_close(plain.to(device)(ids.to(device)).logits.cpu(), base, rtol=1e-3, atol=1e-4)
    adapted = lora(AutoModelForCausalLM.from_pretrained(tmp_path / "model"), rank=4, new_rows=VOCABULARY)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, 0.0, 0.1)
    save_adapter(adapted, tmp_path / "adapter", VOCABULARY, CONTRACT)
    with torch.inference_mode():
        want = adapted.eval()(ids).logits
        loaded = load_adapted(tmp_path / "adapter", str(tmp_path / "model")).to(device)
        torch.testing.assert_close(loaded(ids.to(device)).logits.cpu(), want, rtol=1e-3, atol=1e-4)
        with only_base(loaded):
            torch.testing.assert_close(loaded(ids.to(device)).logits.cpu(), base, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(merged(loaded)(ids.to(device)).logits.cpu(), want, rtol=1e-3, atol=1e-4)


def test_a_network_made_on_the_device_follows_its_seed(device):
    with torch.device(device):
        first, again = (llama(VOCABULARY, 16, 1, 2, seed=3) for _ in range(2))
    assert first.device.type == device
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))
