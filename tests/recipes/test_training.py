"""What the language model stage refuses before it writes anything."""

import lightning as L
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from datamodules import MixtureDataModule, TextStream
from lightningmodules import SpeechTextLM
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
