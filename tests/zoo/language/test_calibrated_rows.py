"""Rows for speech begin near a uniform choice among the units, and leave text as it is."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig, PhiConfig

from tests.toy_tokens import WORDS, words_vocabulary
from zoo.language.calibrated_rows import CalibratedRows, calibration_rows
from zoo.language.embedding_initializers import NormalRows
from zoo.language.losses import NextTokenLoss
from zoo.language.networks import from_checkpoint

VOCABULARY = words_vocabulary()
CONFIGS = {
    "llama-tied": LlamaConfig(tie_word_embeddings=True, hidden_size=32, intermediate_size=64, num_attention_heads=4),
    "llama": LlamaConfig(tie_word_embeddings=False, hidden_size=32, intermediate_size=64, num_attention_heads=4),
    "phi": PhiConfig(hidden_size=32, intermediate_size=64, num_attention_heads=4),
    "gpt2": GPT2Config(n_embd=32, n_head=4, n_positions=48),
    "opt": OPTConfig(hidden_size=32, ffn_dim=64, num_attention_heads=4, word_embed_proj_dim=32),
}


def checkpoint(folder, config):
    """A random text model whose predictions are as sharp as those of a trained one."""
    torch.manual_seed(0)
    config.vocab_size = VOCABULARY.num_text
    config.num_hidden_layers = 2
    network = AutoModelForCausalLM.from_config(config)
    rows = network.get_output_embeddings().weight
    rows.data.normal_(0.05, 0.3)
    network.save_pretrained(folder)
    return network.eval()


def figures(network, text_model):
    """The loss of a random unit in speech, and the change of the loss of a text token in text, both held out."""
    draw = torch.Generator().manual_seed(7)
    units = torch.randint(VOCABULARY.first_unit, len(VOCABULARY), (8, 40), generator=draw)
    begin = torch.tensor([[VOCABULARY.bos, VOCABULARY.speech_marker]]).expand(8, -1)
    ids = VOCABULARY.text.encode(" ".join(WORDS + WORDS[::-1]))
    texts = torch.tensor([[VOCABULARY.bos, *ids[:40]], [VOCABULARY.bos, VOCABULARY.text_marker, *ids[-39:]]])
    loss = NextTokenLoss(network.eval())
    text_loss = NextTokenLoss(text_model)
    with torch.no_grad():
        speech = loss(torch.cat([begin, units], 1)).tokens[:, 1:].mean().item()
        changes = loss(texts).tokens - loss(texts, VOCABULARY.num_text).tokens
        change = changes[VOCABULARY.is_text(texts[:, 1:])].mean().item()
        torch.testing.assert_close(loss(texts[:1], VOCABULARY.num_text).tokens, text_loss(texts[:1]).tokens)
    return speech, change


@pytest.mark.parametrize("family", CONFIGS)
def test_speech_begins_near_uniform_and_text_is_kept(tmp_path, family):
    text_model = checkpoint(tmp_path, CONFIGS[family])
    network = from_checkpoint(str(tmp_path), VOCABULARY)
    speech, change = figures(network, text_model)
    assert speech < math.log(VOCABULARY.num_rows) + 1 and abs(change) < 0.01
    drawn = from_checkpoint(str(tmp_path), VOCABULARY, initializer=NormalRows(0.3))
    assert figures(drawn, text_model)[1] > 0.01
    again = from_checkpoint(str(tmp_path), VOCABULARY)
    assert torch.equal(again.get_output_embeddings().weight, network.get_output_embeddings().weight)
    assert len(network.get_output_embeddings().weight.unique(dim=0)) == VOCABULARY.num_rows


def test_calibration_rows_contain_text_speech_and_both():
    rows = calibration_rows(VOCABULARY, 48, torch.Generator().manual_seed(0))
    assert rows.shape[1] == 48 and rows.max() < len(VOCABULARY)
    has_units = VOCABULARY.is_unit(rows).any(1)
    assert 0 < has_units.sum() < len(rows)


def test_impossible_arguments():
    with pytest.raises(ValueError, match="scale must be above 0, got 0"):
        CalibratedRows(scale=0)
    with pytest.raises(ValueError, match="passes must be at least 1, got 0"):
        CalibratedRows(passes=0)
