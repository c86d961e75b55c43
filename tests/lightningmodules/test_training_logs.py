"""Loggers: those of the recipe are kept, TensorBoard is the default, and nothing is logged where none is wanted."""

import csv

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules import MixtureDataModule, SpeechStream
from lightningmodules import SpeechTextLM
from recipes.stages.training import train_language_model
from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences

VOCABULARY = words_vocabulary()
LOGGED = {"train/loss", "train/gradient_norm", "lr-AdamW/pg1", "costs/steps_per_second", "costs/peak_memory_gib"}


@pytest.fixture
def train(tmp_path):
    """Train four steps with a logger, and return the trainer and the lines of the summary."""
    tokens = write_sentences(tmp_path / "tokens")

    def train(**options):
        streams = {"speech": SpeechStream(tokens)}
        data = MixtureDataModule(VOCABULARY, streams, {"speech": 1}, sequence_length=16, batch_size=2)
        model = SpeechTextLM(tiny_network(VOCABULARY), VOCABULARY, learning_rate=1e-3, warmup_steps=1)
        trainer = L.Trainer(
            accelerator="cpu",
            max_steps=4,
            log_every_n_steps=1,
            val_check_interval=4,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            **options,
        )
        return trainer, train_language_model(tmp_path / "out", model, data, trainer, tokens)

    return train


def test_tensorboard_in_the_folder_of_the_stage_is_the_default(tmp_path, train):
    trainer, lines = train()
    (logger,) = trainer.loggers
    assert isinstance(logger, TensorBoardLogger)
    assert lines["curves"] == f"tensorboard --logdir {tmp_path / 'out' / 'logs'}"
    events = EventAccumulator(str(tmp_path / "out" / "logs")).Reload()
    assert set(events.Tags()["scalars"]) >= LOGGED | {"tokens/speech", "val/speech_loss"}
    assert all(event.value > 0 for event in events.Scalars("costs/steps_per_second"))
    assert not (tmp_path / "lightning_logs").exists()


def test_the_loggers_of_the_recipe_are_kept(tmp_path, train):
    loggers = [CSVLogger(tmp_path / "csv"), TensorBoardLogger(tmp_path / "mine", name="tb", version="0")]
    trainer, lines = train(logger=loggers)
    assert trainer.loggers == loggers and not (tmp_path / "out" / "logs").exists()
    path = tmp_path / "csv" / "lightning_logs" / "version_0" / "metrics.csv"
    assert lines["curves"] == f"{path}, tensorboard --logdir {tmp_path / 'mine' / 'tb' / '0'}"
    assert set(next(csv.DictReader(path.open()))) >= LOGGED
    assert "tokens/speech" in EventAccumulator(str(tmp_path / "mine" / "tb" / "0")).Reload().Tags()["scalars"]


def test_nothing_is_logged_where_the_recipe_says_so(tmp_path, train):
    trainer, lines = train(logger=False)
    assert trainer.loggers == [] and "curves" not in lines
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "checkpoints",
        "ledger.json",
        "metrics.json",
        "model",
    }


def test_a_logger_changes_no_weight(tmp_path, train):
    results = []
    for number, options in enumerate(({}, {"logger": False})):
        train(**options)
        results.append((tmp_path / "out" / "model" / "model.safetensors").read_bytes())
        (tmp_path / "out").rename(tmp_path / f"out_{number}")
    assert results[0] == results[1]
