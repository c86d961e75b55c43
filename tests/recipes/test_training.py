"""What is refused before a language model is trained."""

import lightning as L
import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, GPT2Config, LlamaConfig, OPTConfig

from datamodules import MixtureDataModule, TextStream
from lightningmodules import SpeechTextLM
from recipes.engine.plan import plan
from recipes.engine.preflight import preflight_problems
from recipes.engine.recipe import load
from recipes.stages.training import train_language_model
from tests.toy_tokens import words_vocabulary, write_sentences

VOCABULARY = words_vocabulary()


def test_rows_longer_than_the_positions_of_a_checkpoint(tmp_path):
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=32, vocab_size=VOCABULARY.num_rows)
    config.name_or_path = "tiny-gpt2"
    torch.manual_seed(0)
    model = SpeechTextLM(AutoModelForCausalLM.from_config(config), VOCABULARY, learning_rate=1e-3)
    tokens = write_sentences(tmp_path / "tokens")
    data = MixtureDataModule(VOCABULARY, {"text": TextStream(tokens)}, {"text": 1}, sequence_length=33, batch_size=2)
    trainer = L.Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False)
    with pytest.raises(ValueError, match="sequence_length=33: tiny-gpt2 has positions for 32 tokens: set seq.* to 32"):
        train_language_model(tmp_path / "out", model, data, trainer, tokens)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "config, limit",
    [
        (GPT2Config(n_positions=64), 64),
        (OPTConfig(max_position_embeddings=64), 64),
        (LlamaConfig(max_position_embeddings=64), None),
        (BloomConfig(seq_length=64), None),
    ],
)
def test_a_recipe_of_rows_that_are_too_long_is_refused_before_any_stage(tmp_path, config, limit):
    config.save_pretrained(tmp_path / "checkpoint")
    write_sentences(tmp_path / "run" / "tokens")
    VOCABULARY.save(tmp_path / "run" / "vocabulary" / "vocabulary")
    values = [f"run={tmp_path / 'run'}", f"checkpoint={tmp_path / 'checkpoint'}", f"out={tmp_path / 'out'}"]
    rotary = isinstance(config, LlamaConfig)
    for length in (64, 65):
        recipe = load("lm/base_lora", [*values, f"sequence_length={length}"])
        lines = preflight_problems(recipe, plan(recipe))
        assert any("rope_theta=100000" in line and "no rotary positions; want null" in line for line in lines) != rotary
        problems = [line for line in lines if "sequence_length" in line]
        if limit is None or length <= limit:
            assert problems == []
        else:
            assert len(problems) == 1 and f"sequence_length=65: {tmp_path / 'checkpoint'} has positions" in problems[0]
            assert "want at most 64" in problems[0]
