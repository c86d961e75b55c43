"""What a language model predicts is measured once, before its first step."""

import math
import warnings

import lightning as L
import pytest
import torch

from datamodules import InterleavedStream, MixtureDataModule, TextStream
from lightningmodules import SpeechTextLM, StartingPoint
from lightningmodules.starting_point import shortcomings
from recipes.stages.training import fit
from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences
from zoo.language.embedding_initializers import NormalRows
from zoo.language.networks import from_checkpoint, llama
from zoo.tokens.interleave import UniformSpans
from zoo.tokens.vocabulary import Vocabulary

VOCABULARY = words_vocabulary()


def train(folder, callback, network=None):
    tokens = write_sentences(folder / "tokens")
    network = network or tiny_network(VOCABULARY)
    model = SpeechTextLM(network=network, vocabulary=VOCABULARY, learning_rate=1e-2, warmup_steps=2)
    streams = {"text": TextStream(tokens), "interleaved": InterleavedStream(tokens, UniformSpans((1, 3), (1, 3)))}
    data = MixtureDataModule(VOCABULARY, streams, {"text": 0.3, "interleaved": 0.7}, 32, 2, val_batches=2)
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=2,
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
    )
    fit(folder / "run", model, data, trainer, 2)
    return model


def test_an_untrained_network_starts_at_a_uniform_guess(tmp_path):
    callback = StartingPoint(num_batches=2)
    train(tmp_path, callback)
    assert callback.figures["start/speech_loss"] == pytest.approx(math.log(VOCABULARY.num_rows), rel=0.05)
    # Of a uniform choice among all rows, the rows of text are a part.
    change = math.log(VOCABULARY.num_rows / VOCABULARY.num_text)
    assert callback.figures["start/text_change"] == pytest.approx(change, rel=0.1)


def test_a_bad_start_is_warned_of(tmp_path):
    with pytest.warns(UserWarning, match="the new rows change the loss of text by .*CalibratedRows"):
        train(tmp_path, StartingPoint(num_batches=1))


def test_the_limits():
    rows = 1000
    assert shortcomings({"start/speech_loss": math.log(rows) + 0.9, "start/text_change": 0.009}, rows) == []
    assert len(shortcomings({"start/speech_loss": math.log(rows) + 1.1, "start/text_change": 0.011}, rows)) == 2
    assert len(shortcomings({"start/speech_loss": math.nan}, rows)) == 1
    with pytest.raises(ValueError, match="num_batches must be at least 1, got 0"):
        StartingPoint(0)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_calibrated_rows_start_within_the_limits(tmp_path, tied):
    """A text model whose predictions are as sharp as those of a trained one."""
    torch.manual_seed(0)
    network = llama(Vocabulary(VOCABULARY.text, (), multiple=1), 48, 2, 4, tie_embeddings=tied)
    network.get_output_embeddings().weight.data.normal_(0.05, 0.3)
    network.save_pretrained(tmp_path / "text")
    callback = StartingPoint(num_batches=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="before training")
        train(tmp_path, callback, from_checkpoint(str(tmp_path / "text"), VOCABULARY))
    assert callback.figures["start/speech_loss"] < math.log(VOCABULARY.num_rows) + 1
    assert abs(callback.figures["start/text_change"]) < 0.01
    drawn = StartingPoint(num_batches=2)
    with pytest.warns(UserWarning, match="before training .*CalibratedRows"):
        train(
            tmp_path / "drawn", drawn, from_checkpoint(str(tmp_path / "text"), VOCABULARY, initializer=NormalRows(0.3))
        )
