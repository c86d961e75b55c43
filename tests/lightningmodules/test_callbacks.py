"""Callbacks of training: what they log, and seeded steps."""

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightningmodules.callbacks import SeededSteps, SpeechSamples, mel_image
from tests.toy_speech import write_hums
from tests.toy_trainer import trainer
from tests.toy_vocoder import data, module


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return write_hums(tmp_path_factory.mktemp("hums"), [40, 30, 55, 25, 33, 28, 60, 41, 29, 50, 45, 35])


def test_audio_and_pictures_are_logged_at_the_generator_step(tokens, tmp_path):
    logger = TensorBoardLogger(tmp_path, name="logs", version="")
    fit = trainer(
        tmp_path,
        4,
        logger=logger,
        limit_val_batches=1.0,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        log_every_n_steps=1,
        callbacks=[SeededSteps(), SpeechSamples()],
    )
    fit.fit(module(), data(tokens))
    logger.finalize("success")
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in events.Audio("0/generated")] == [2, 4] and events.Audio("0/real")[
        0
    ].sample_rate == 16000
    assert events.Images("0/real_above_generated")[0].height == 160
    assert [event.step for event in events.Scalars("train/mel")] == [0, 1, 2, 3]
    assert {"train/discriminator", "train/features", "train/adversarial", "train/duration", "val/mel_distance"} <= set(
        events.Tags()["scalars"]
    )


def test_a_mel_image_is_bright_where_it_is_loud():
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(16000) / 16000)
    image = mel_image([tone, 0.001 * tone], 16000)
    assert image.shape == (3, 160, 62) and image.min() >= 0 and image.max() <= 1
    assert image[:, :80].mean() > image[:, 80:].mean()
    assert image[:, 40:80].mean() > image[:, :40].mean()  # 500 Hz lies in the lower half of the upper picture


def test_seeded_steps_make_dropout_a_function_of_the_step(tokens, tmp_path):
    drawn = {}

    class Watch(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            drawn.setdefault(self.run, []).append(torch.rand(()).item())

    watch = Watch()
    for watch.run, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(drawn))
        trainer(tmp_path, 3, callbacks=[SeededSteps(seed), watch]).fit(module("istft", adversarial=False), data(tokens))
    assert drawn["a"] == drawn["b"] != drawn["c"] and len(set(drawn["a"])) == 3
