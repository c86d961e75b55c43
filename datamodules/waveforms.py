"""Waveforms of a prepared corpus, to train what listens to speech: plain, or beside a changed copy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Dataset

from datamodules.waveform_batches import (
    AugmentedBatches,
    AugmentedUtterances,
    Batches,
    Pieces,
    Utterances,
    length_buckets,
)
from zoo.corpora.cut_table import CutTable
from zoo.speech.augmentation import Augmentation

ENDLESS = 1 << 40


@dataclass(frozen=True)
class DurationBuckets:
    """Groups utterances of similar duration, so that a batch of about as many seconds has little padding.

    Args:
        batch_seconds: Seconds of speech in a batch, per device.
        max_seconds: Of a longer utterance, a random chunk of this length is used.
        min_seconds: Shorter utterances are left out.
        num_buckets: Number of buckets.

    Raises:
        ValueError: Where the lengths contradict each other.
    """

    batch_seconds: float
    max_seconds: float = 15.0
    min_seconds: float = 0.5
    num_buckets: int = 8

    def __post_init__(self) -> None:
        if not 0 < self.min_seconds <= self.max_seconds <= self.batch_seconds:
            raise ValueError(
                f"want 0 < min_seconds <= max_seconds <= batch_seconds, got {self.min_seconds:g}, "
                f"{self.max_seconds:g} and {self.batch_seconds:g}"
            )


class WaveformDataModule(L.LightningDataModule):
    """Serves random pieces of utterances, all of a batch equally long: ``{"waveform": (B, N)}``.

    Utterances of like length come together, in batches of about as many seconds; every second of the corpus is about as
    likely. Audio that cannot be read is passed over. Validation takes one utterance of the dev split at a time.

    Args:
        corpus: Folder filled by a corpus stage.
        buckets: How utterances are grouped by duration.
        num_validation: Utterances of the dev split.
        num_workers: Loader processes per device.
        seed: Of the draw.
        sample_rate: Of the waveforms, in Hz.
    """

    def __init__(
        self,
        corpus: Path,
        buckets: DurationBuckets,
        num_validation: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.buckets = buckets
        self.pieces = {
            split: Pieces(CutTable(corpus, split), buckets.max_seconds, sample_rate) for split in ("train", "dev")
        }
        self.num_validation, self.num_workers, self.seed = num_validation, num_workers, seed

    def setup(self, stage: str) -> None:
        rows = {
            split: np.flatnonzero(pieces.seconds >= self.buckets.min_seconds) for split, pieces in self.pieces.items()
        }
        for split, chosen in rows.items():
            if not len(chosen):
                raise ValueError(
                    f"{self.pieces[split].table.path}: no utterance has min_seconds {self.buckets.min_seconds:g}; take shorter ones"
                )
        self.train_buckets = length_buckets(
            self.pieces["train"].seconds, rows["train"], self.buckets.batch_seconds, self.buckets.num_buckets
        )
        self.validation = rows["dev"][
            np.linspace(0, len(rows["dev"]) - 1, min(self.num_validation, len(rows["dev"]))).astype(int)
        ]

    def train_dataloader(self) -> DataLoader:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        # A resumed run goes on with the batch after the last one it trained on.
        first = self.trainer.global_step * self.trainer.accumulate_grad_batches
        batches = self._batches(range(first * world + rank, ENDLESS * world, world))
        return DataLoader(
            batches, batch_size=None, num_workers=self.num_workers, persistent_workers=self.num_workers > 0
        )

    def _batches(self, numbers: range) -> Batches:
        return Batches(self.pieces["train"], self.train_buckets, numbers, self.seed)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self._utterances(), batch_size=None, num_workers=self.num_workers)

    def _utterances(self) -> Dataset:
        return Utterances(self.pieces["dev"], self.validation)


class AugmentedDataModule(WaveformDataModule):
    """Serves whole utterances beside changed copies of them, padded with silence.

    A batch is a dictionary: ``clean`` (B, N), ``clean_samples`` (B,), ``augmented`` (B, M), ``augmented_samples`` (B,). A
    validation utterance has ``clean`` (N,) and ``augmented``, a waveform (M,) for each name in ``validation``.

    Args:
        corpus: Folder filled by a corpus stage.
        augmentation: Of the training copies.
        validation: By the name they are logged under.
        buckets: How utterances are grouped by duration; the lengths are those before augmentation.
        num_validation: Utterances of the dev split.
        num_workers: Loader processes per device.
        seed: Of the draw.
        sample_rate: Of the waveforms, in Hz.
    """

    def __init__(
        self,
        corpus: Path,
        augmentation: Augmentation,
        validation: Mapping[str, Augmentation],
        buckets: DurationBuckets,
        num_validation: int = 64,
        num_workers: int = 0,
        seed: int = 0,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__(corpus, buckets, num_validation, num_workers, seed, sample_rate)
        self.augmentation, self.augmentations = augmentation, dict(validation)

    def _batches(self, numbers: range) -> Batches:
        return AugmentedBatches(self.pieces["train"], self.train_buckets, numbers, self.seed, self.augmentation)

    def _utterances(self) -> Dataset:
        return AugmentedUtterances(self.pieces["dev"], self.validation, self.augmentations, self.seed)
