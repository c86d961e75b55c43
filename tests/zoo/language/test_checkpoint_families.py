"""Checkpoints of each family: new rows, training of all weights and of adapters, scoring, generation and export."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from tests.toy_checkpoints import FAMILIES, OTHER_HEADS, write_checkpoint
from zoo.evaluation.scoring.likelihood import log_likelihoods
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.interop.huggingface import export_language_model
from zoo.language.adapters import lora, merge_adapter, save_language_model
from zoo.language.calibrated_rows import CalibratedRows
from zoo.language.generation import Sampling, generate
from zoo.language.losses import NextTokenLoss
from zoo.language.networks import from_checkpoint
from zoo.language.speech_text_model import load_language_model
from zoo.language.token_streaming import stream_ids
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary


@dataclass
class Checkpoint:
    """A text checkpoint that was extended to speech, and its training rows (B, T)."""

    name: str
    network: PreTrainedModel
    vocabulary: Vocabulary
    ids: torch.Tensor

    def save(self, network, folder):
        save_language_model(network, folder, self.vocabulary, {"vocabulary": self.vocabulary.contract})

    @torch.no_grad()
    def logits(self, network):
        return network.eval()(input_ids=self.ids, use_cache=False).logits.float()


@pytest.fixture(scope="module", params=[*FAMILIES, *OTHER_HEADS])
def checkpoint(request, tmp_path_factory):
    source = write_checkpoint(tmp_path_factory.mktemp("checkpoint"), request.param)
    vocabulary = Vocabulary(TextTokenizer.load(source), (Stream("Hu", 20, 25.0),), multiple=8)
    network = from_checkpoint(source, vocabulary, initializer=CalibratedRows(passes=1))
    draw = torch.Generator().manual_seed(0)
    begin = torch.full((2, 1), vocabulary.bos)
    marker = torch.full((2, 1), vocabulary.speech_marker)
    text = torch.randint(vocabulary.num_text, (2, 12), generator=draw)
    units = torch.randint(vocabulary.first_unit, len(vocabulary), (2, 15), generator=draw)
    return Checkpoint(request.param, network, vocabulary, torch.cat([begin, text, marker, units], 1))


@pytest.fixture(scope="module")
def adapted(checkpoint):
    """The checkpoint with adapters on all linear layers and its new rows trained, and the losses of its training."""
    network = lora(copy.deepcopy(checkpoint.network), rank=2, targets=None, new_rows=checkpoint.vocabulary)
    return network, train(network, checkpoint.ids)


def train(network, ids, steps=4):
    """Return the loss before each step."""
    torch.manual_seed(0)  # of dropout
    loss = NextTokenLoss(network.train())
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], 5e-3)
    losses = []
    for _ in range(steps):
        mean = loss(ids).mean
        mean.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(mean.item())
    network.eval()
    return losses


def test_training_lowers_the_loss_and_every_weight_is_saved(checkpoint, tmp_path):
    vocabulary = checkpoint.vocabulary
    network = copy.deepcopy(checkpoint.network)
    tied = network.get_input_embeddings().weight is network.get_output_embeddings().weight
    assert tied == checkpoint.name.endswith("-tied")
    with torch.no_grad():
        before = NextTokenLoss(network.eval())(checkpoint.ids).tokens
    speech = before[vocabulary.is_unit(checkpoint.ids[:, 1:])].mean().item()
    assert speech < math.log(vocabulary.num_rows) + 1
    losses = train(network, checkpoint.ids)
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0] - 0.1
    checkpoint.save(network, tmp_path / "model")
    loaded, _ = load_language_model(tmp_path / "model")
    assert torch.equal(checkpoint.logits(loaded), checkpoint.logits(network))


def test_the_loss_is_that_of_the_logits(checkpoint):
    shares = checkpoint.logits(checkpoint.network).log_softmax(-1)[:, :-1]
    expected = -shares.gather(-1, checkpoint.ids[:, 1:, None])[..., 0]
    with torch.no_grad():
        torch.testing.assert_close(NextTokenLoss(checkpoint.network)(checkpoint.ids).tokens, expected)


def test_adapters_are_trained_merged_and_exported(checkpoint, adapted, tmp_path):
    network, losses = adapted
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0]
    expected = checkpoint.logits(network)
    checkpoint.save(network, tmp_path / "adapter")
    merge_adapter(tmp_path / "adapter", tmp_path / "merged")
    whole, vocabulary = load_language_model(tmp_path / "merged")
    torch.testing.assert_close(checkpoint.logits(whole), expected, rtol=0, atol=2e-5)

    export_language_model(tmp_path / "merged", tmp_path / "exported")
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "exported")
    torch.testing.assert_close(checkpoint.logits(exported), expected, rtol=0, atol=2e-5)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "exported")
    prompt = tokenizer("[Text]he said[Speech][Hu12][Hu7]", return_tensors="pt")
    units = [vocabulary.speech_marker, vocabulary.first_unit + 12, vocabulary.first_unit + 7]
    text = [vocabulary.bos, vocabulary.text_marker, *vocabulary.text.encode("he said")]
    assert prompt["input_ids"][0].tolist() == text + units
    assert exported.generate(**prompt, max_new_tokens=3, do_sample=False).shape[1] > len(text + units)


def test_a_batch_is_continued_as_each_prompt_alone(checkpoint, adapted):
    network, _ = adapted
    vocabulary = checkpoint.vocabulary
    prompts = [["anna said"], ["hello to ben, and ben said goodbye"]]
    sampling = Sampling(max_new_tokens=6, temperature=0)
    batch = generate(network, vocabulary, prompts, "any", sampling)
    for prompt, continuation in zip(prompts, batch, strict=True):
        (alone,) = generate(network, vocabulary, [prompt], "any", sampling)
        assert str(continuation.segments) == str(alone.segments)
    num_new = len(list(stream_ids(network, vocabulary, prompts[0], "any", sampling)))
    assert 1 <= num_new <= 6


def test_scores_are_those_of_each_candidate_alone(checkpoint):
    ids = checkpoint.ids[0].numpy()
    other = checkpoint.ids[1].numpy()
    cuts = [(ids[:20], ids[20:]), (ids[:20], other[5:9]), (other[:3], other[3:])]
    candidates = [Candidate(*cut) for cut in cuts]
    expected = []
    for candidate in candidates:
        with torch.no_grad():
            losses = NextTokenLoss(checkpoint.network.eval())(torch.from_numpy(candidate.ids)[None]).tokens[0]
        expected.append(-losses[len(candidate.prompt) - 1 :].sum().item())
    np.testing.assert_allclose(log_likelihoods(checkpoint.network, candidates), expected, rtol=1e-5)
