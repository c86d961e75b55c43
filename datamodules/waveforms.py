"""Training and validation data of speech encoders and quantizers: waveforms, alone or with augmented copies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Dataset

from datamodules.batch_numbers import batches_to_train, trainer_of, training_loader
from datamodules.waveform_batches import (
    AugmentedBatches,
    AugmentedUtterances,
    Batches,
    Chunks,
    Utterances,
    length_buckets,
)
from zoo.corpora.cut_table import CutTable
from zoo.ranges import NumWorkers, OptionalSeconds, SampleRate, Seconds, Seed, Size, check_ranges
from zoo.speech.augmentation import Augmentation


@dataclass(frozen=True)
class DurationBuckets:
    """How utterances of similar duration are grouped into batches of about equal duration, which need little padding.

    Args:
        batch_seconds: Largest duration of a batch, in seconds, per device.
        max_seconds: Largest duration of a waveform, in seconds; a random chunk of a longer utterance is used.
        min_seconds: Smallest duration of an utterance, in seconds; shorter ones are left out.
        num_buckets: Number of groups.

    Raises:
        ValueError: The durations contradict each other.
    """

    batch_seconds: Seconds
    max_seconds: Seconds = 15.0
    min_seconds: OptionalSeconds = 0.5
    num_buckets: Size = 8

    def __post_init__(self) -> None:
        if not 0 < self.min_seconds <= self.max_seconds <= self.batch_seconds:
            raise ValueError(
                f"want 0 < min_seconds <= max_seconds <= batch_seconds, got {self.min_seconds:g}, "
                f"{self.max_seconds:g} and {self.batch_seconds:g}"
            )
        check_ranges(self)


class WaveformDataModule(L.LightningDataModule):
    """Random chunks of utterances: ``{"waveform": (B, N)}``, where all chunks of a batch have the same length.

    Utterances of similar duration are batched together; every second of the corpus is about equally likely. An
    unreadable file is replaced by another utterance. Validation uses the dev split, one utterance per batch.

    Args:
        corpus: Folder filled by a corpus stage.
        buckets: How utterances are grouped by duration.
        num_validation: Largest number of validation utterances, evenly spread over the dev split.
        num_workers: Loader processes per device.
        seed: Seed of the random chunks.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(
        self,
        corpus: Path,
        buckets: DurationBuckets,
        num_validation: Size = 64,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
        sample_rate: SampleRate = 16000,
    ) -> None:
        super().__init__()
        self.buckets = buckets
        self.train_chunks = Chunks(CutTable(corpus, "train"), buckets.max_seconds, sample_rate)
        self.dev_chunks = Chunks(CutTable(corpus, "dev"), buckets.max_seconds, sample_rate)
        self.num_validation = num_validation
        self.num_workers = num_workers
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Sort the utterances that are long enough into buckets.

        Raises:
            ValueError: A split has no utterance of at least ``min_seconds``.
        """
        train_rows = self._long_enough(self.train_chunks)
        dev_rows = self._long_enough(self.dev_chunks)
        self.train_buckets = length_buckets(
            self.train_chunks.seconds, train_rows, self.buckets.batch_seconds, self.buckets.num_buckets
        )
        num_validation = min(self.num_validation, len(dev_rows))
        evenly_spread = np.linspace(0, len(dev_rows) - 1, num_validation).astype(int)
        self.validation = dev_rows[evenly_spread]

    def _long_enough(self, chunks: Chunks) -> np.ndarray:
        rows = np.flatnonzero(chunks.seconds >= self.buckets.min_seconds)
        if not len(rows):
            raise ValueError(
                f"{chunks.table.path}: no utterance has min_seconds {self.buckets.min_seconds:g}; use a lower one"
            )
        return rows

    def train_dataloader(self) -> DataLoader:
        batches = self._batches(batches_to_train(trainer_of(self)))
        return training_loader(batches, self.num_workers)

    def _batches(self, numbers: range) -> Batches:
        return Batches(self.train_chunks, self.train_buckets, numbers, self.seed)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self._utterances(), batch_size=None, num_workers=self.num_workers)

    def _utterances(self) -> Dataset:
        return Utterances(self.dev_chunks, self.validation)


class AugmentedDataModule(WaveformDataModule):
    """Whole utterances with an augmented copy of each, padded with silence.

    A batch is a dictionary: ``clean`` (B, N), ``clean_samples`` (B,), ``augmented`` (B, M), ``augmented_samples``
    (B,). A validation utterance has ``clean`` (N,) and ``augmented``, a waveform (M,) for each name in ``validation``.

    Args:
        corpus: Folder filled by a corpus stage.
        augmentation: Augmentation of the training copies.
        validation: Augmentations of the validation copies, by the name under which their metrics are logged.
        buckets: How utterances are grouped by their duration before augmentation.
        num_validation: Largest number of validation utterances, evenly spread over the dev split.
        num_workers: Loader processes per device.
        seed: Seed of the random chunks and augmentations.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(
        self,
        corpus: Path,
        augmentation: Augmentation,
        validation: Mapping[str, Augmentation],
        buckets: DurationBuckets,
        num_validation: Size = 64,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
        sample_rate: SampleRate = 16000,
    ) -> None:
        super().__init__(corpus, buckets, num_validation, num_workers, seed, sample_rate)
        self.augmentation = augmentation
        self.augmentations = dict(validation)

    def _batches(self, numbers: range) -> Batches:
        return AugmentedBatches(self.train_chunks, self.train_buckets, numbers, self.seed, self.augmentation)

    def _utterances(self) -> Dataset:
        return AugmentedUtterances(self.dev_chunks, self.validation, self.augmentations, self.seed)
