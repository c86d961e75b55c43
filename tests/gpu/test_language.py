"""A language model on a GPU scores, resumes and is loaded as on the processor."""

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
from zoo.language.adapters import load_adapted, lora, merged, save_adapter, save_language_model, without_adapter
from zoo.language.generation import Sampling, encode_prompt, generate
from zoo.language.networks import llama
from zoo.language.token_streaming import stream_ids
from zoo.tokens.merged_streams import parse
from zoo.tokens.store import TokenTable

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
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, len(VOCABULARY), rng.integers(1, 60)) for _ in range(8)]
    return [Candidate(prompts[n % 8], rng.integers(0, len(VOCABULARY), rng.integers(1, 30))) for n in range(count)]


def test_likelihoods_equal_those_on_the_cpu_and_of_single_candidates(networks):
    on_cpu, on_device = networks
    scored = candidates()
    actual = log_likelihoods(on_device, scored)
    assert actual == pytest.approx(log_likelihoods(on_cpu, scored), rel=1e-4)
    assert actual == pytest.approx([log_likelihoods(on_device, [item])[0] for item in scored], rel=1e-4)
    in_bfloat16 = log_likelihoods(copy.deepcopy(on_device).bfloat16(), scored)
    assert in_bfloat16 == pytest.approx(actual, rel=0.05)


@pytest.mark.parametrize("to", ["text", "speech", "any"])
def test_greedy_continuations_equal_those_on_the_cpu(networks, to):
    on_cpu, on_device = networks
    greedy = Sampling(24, temperature=0)
    assert [repr(row.segments) for row in generate(on_device, VOCABULARY, PROMPTS, to, greedy)] == [
        repr(row.segments) for row in generate(on_cpu, VOCABULARY, PROMPTS, to, greedy)
    ]
    for prompt in PROMPTS:
        assert list(stream_ids(on_device, VOCABULARY, prompt, to, greedy)) == list(
            stream_ids(on_cpu, VOCABULARY, prompt, to, greedy)
        )


def test_sampling_is_deterministic_by_seed_and_restores_the_generator(networks, device):
    _, on_device = networks
    torch.manual_seed(5)
    before = torch.rand(2, device=device)
    torch.manual_seed(5)
    first, again, other = (
        generate(on_device, VOCABULARY, PROMPTS, "any", Sampling(40, 1.0, 1.0, seed)) for seed in (1, 1, 2)
    )
    assert repr(first) == repr(again) != repr(other)
    assert torch.equal(torch.rand(2, device=device), before)
    tokens = stream_ids(on_device, VOCABULARY, PROMPTS[0], "any", Sampling(40, 1.0, 1.0, 1))
    assert list(tokens) == list(stream_ids(on_device, VOCABULARY, PROMPTS[0], "any", Sampling(40, 1.0, 1.0, 1)))


def test_speech_stops_after_its_maximum_duration(networks):
    on_cpu, on_device = networks
    sampling = Sampling(60, temperature=0, max_speech_seconds=0.4)
    assert repr(generate(on_device, VOCABULARY, PROMPTS, "speech", sampling)) == repr(
        generate(on_cpu, VOCABULARY, PROMPTS, "speech", sampling)
    )


def test_few_shot_answers_and_continuations_equal_those_on_the_cpu(networks):
    on_cpu, on_device = networks
    shots, questions = (
        [Utterance(row.id, row.text, row.speech_ids) for row in sentences(count, seed=seed)]
        for count, seed in ((6, 0), (4, 1))
    )
    actual, expected = (
        FewShotEvaluator(network, VOCABULARY, 2, max_new_tokens=12).recognize(shots, questions)
        for network in (on_device, on_cpu)
    )
    assert actual.answers == expected.answers
    prompts = [np.array(encode_prompt(VOCABULARY, prompt, "speech")) for prompt in PROMPTS]
    drawn = [
        generate_continuations(on_device, VOCABULARY, prompts, "speech", Sampling(20, 0.8, seed=3)) for _ in range(2)
    ]
    assert all(np.array_equal(first, second) for first, second in zip(*drawn, strict=True))


def test_alignment_and_bits_equal_those_on_the_cpu(networks, table):
    on_cpu, on_device = networks
    actual_layers = measure_alignment(on_device, VOCABULARY, table).layers
    expected_layers = measure_alignment(on_cpu, VOCABULARY, table).layers
    for actual_layer, expected_layer in zip(actual_layers, expected_layers, strict=True):
        assert actual_layer.similarities == pytest.approx(expected_layer.similarities, abs=1e-3)
    actual, expected = (measure_bits(network, VOCABULARY, table, row_length=256) for network in (on_device, on_cpu))
    assert {kind: score.rate.value for kind, score in actual.items()} == pytest.approx(
        {kind: score.rate.value for kind, score in expected.items()}, rel=1e-4
    )


def test_exported_model_and_adapter_equal_those_on_the_cpu(device, tmp_path):
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
        expected = adapted.eval()(ids).logits
        loaded = load_adapted(tmp_path / "adapter", str(tmp_path / "model")).to(device)
        torch.testing.assert_close(loaded(ids.to(device)).logits.cpu(), expected, rtol=1e-3, atol=1e-4)
        with without_adapter(loaded):
            torch.testing.assert_close(loaded(ids.to(device)).logits.cpu(), base, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(merged(loaded)(ids.to(device)).logits.cpu(), expected, rtol=1e-3, atol=1e-4)


def test_network_built_on_the_device_is_deterministic_by_seed(device):
    with torch.device(device):
        first, again = (llama(VOCABULARY, 16, 1, 2, seed=3) for _ in range(2))
    assert first.device.type == device
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
