"""A prepared corpus of tones: each word of it is a pitch of its own, so that there is something quick to learn."""

from pathlib import Path

import lightning as L
import numpy as np
import torch

from zoo.audio import write
from zoo.corpora import open_corpus, prepare

FREQUENCIES = (300.0, 520.0, 900.0, 1600.0, 2800.0)


def melody(seed: int, seconds: float = 2.0) -> torch.Tensor:
    """Tones with overtones, each 120 to 280 ms long: (N,) at 16 kHz."""
    draw, count = np.random.default_rng(seed), round(seconds * 16000)
    lengths = draw.integers(1920, 4480, count // 1920 + 1)
    tones = np.repeat(draw.choice(FREQUENCIES, len(lengths)), lengths)[:count]
    phase = 2 * np.pi * np.cumsum(tones) / 16000
    return torch.from_numpy(0.2 * np.sin(phase) + 0.1 * np.sin(2 * phase) + 0.001 * draw.standard_normal(count)).float()


def write_tones(folder: Path, train: int, dev: int) -> Path:
    """Write so many utterances of two seconds in each split, prepare them, and return the folder of the corpus."""
    for split, count in {"train": train, "dev": dev}.items():
        for number in range(count):
            path = folder / "audio" / split / f"{split}{number % 3}" / f"{number:03d}.wav"
            write(path, melody(number if split == "train" else 1000 + number), 16000)
            path.with_suffix(".txt").write_text("la la la\n")
    prepare(open_corpus(folder / "audio"), folder / "corpus")
    return folder / "corpus"


class StopAfter(L.Callback):
    """Ends a run in its middle, with the schedule of the whole."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_end(self, trainer: L.Trainer, *others: object) -> None:
        trainer.should_stop = trainer.global_step >= self.steps
