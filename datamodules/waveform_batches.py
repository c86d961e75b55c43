"""Datasets of waveforms in batches; batch ``n`` is a pure function of (seed, n)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, IterableDataset

from datamodules.batch_numbers import batches_of_worker
from zoo.audio import AudioError
from zoo.corpora.cut_table import CutTable
from zoo.corpora.utterance import load_waveform
from zoo.speech.augmentation import Augmentation

# Reading a batch fails after this many unreadable files, as a multiple of the batch size: a few files may be broken,
# but a missing disk must be noticed.
MAX_UNREADABLE = 20


@dataclass(frozen=True)
class Bucket:
    """Utterances of similar duration.

    Args:
        rows: Rows of the utterances in the table, (num_utterances,).
        batch_size: Number of utterances in a batch.
    """

    rows: np.ndarray
    batch_size: int


class Chunks:
    """Utterances of one split, of which at most a chunk of ``max_seconds`` is read.

    Args:
        table: Utterances of the split.
        max_seconds: Longest chunk, in seconds.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(self, table: CutTable, max_seconds: float, sample_rate: int) -> None:
        self.table = table
        self.max_seconds = max_seconds
        self.sample_rate = sample_rate

    @property
    def seconds(self) -> np.ndarray:
        """Duration of each chunk in seconds, (num_utterances,)."""
        return np.minimum(self.table.durations, self.max_seconds)

    def read(self, row: int, position: float) -> Tensor:
        """Read a chunk (N,) of an utterance.

        Args:
            row: Row of the utterance in the table.
            position: Start of the chunk, from 0 for the earliest possible start to 1 for the latest.

        Raises:
            AudioError: The file cannot be read.
        """
        cut = self.table[row]
        if cut.duration > self.max_seconds:
            offset = round(position * (cut.duration - self.max_seconds), 4)
            cut = cut.truncate(offset=offset, duration=self.max_seconds)
        return load_waveform(cut, self.sample_rate)


def length_buckets(seconds: np.ndarray, rows: np.ndarray, batch_seconds: float, num_buckets: int) -> list[Bucket]:
    """Divide utterances into buckets of similar duration and about equal total duration.

    Args:
        seconds: Duration of every row of the table, in seconds, (num_rows,).
        rows: Rows to use.
        batch_seconds: Largest duration of a batch, in seconds; an utterance that is longer is a batch by itself.
        num_buckets: Largest number of buckets.
    """
    rows = rows[np.argsort(seconds[rows], kind="stable")]
    share = np.cumsum(seconds[rows]) / seconds[rows].sum()
    borders = np.searchsorted(share, np.arange(1, num_buckets) / num_buckets)
    buckets = []
    for members in np.split(rows, borders):
        if len(members):
            longest = seconds[members[-1]]
            buckets.append(Bucket(members, max(1, int(batch_seconds / longest))))
    return buckets


class Batches(IterableDataset):
    """Batches of random chunks of similar duration, whatever the number of workers and restarts.

    Args:
        chunks: Utterances of the train split.
        buckets: Buckets, as ``length_buckets`` returns them.
        numbers: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the random chunks.
    """

    def __init__(self, chunks: Chunks, buckets: Sequence[Bucket], numbers: range, seed: int) -> None:
        self.chunks = chunks
        self.buckets = buckets
        self.numbers = numbers
        self.seed = seed
        # A bucket is drawn with a probability proportional to its number of batches, so that every second of speech is
        # about equally likely.
        num_batches = []
        for bucket in buckets:
            seconds = chunks.seconds[bucket.rows]
            num_batches.append(seconds.sum() / (bucket.batch_size * seconds.mean()))
        self.probabilities = np.array(num_batches) / np.array(num_batches).sum()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number in batches_of_worker(self.numbers):
            yield self.batch(number)

    def batch(self, number: int) -> dict[str, Any]:
        """Return batch ``number``: ``waveform`` (B, N), cut at random positions to the length of the shortest chunk."""
        generator = np.random.default_rng([self.seed, 1, number])
        waveforms = self.draw(generator)
        length = min(len(waveform) for waveform in waveforms)
        crops = []
        for waveform in waveforms:
            start = int(generator.integers(len(waveform) - length + 1))
            crops.append(waveform[start : start + length])
        return {"waveform": torch.stack(crops)}

    def draw(self, generator: np.random.Generator) -> list[Tensor]:
        """Read the waveforms (N,) of a batch from one bucket; an unreadable one is replaced by another.

        Raises:
            AudioError: Too many of them cannot be read.
        """
        bucket = self.buckets[generator.choice(len(self.buckets), p=self.probabilities)]
        waveforms = []
        num_failed = 0
        while len(waveforms) < bucket.batch_size:
            row = int(bucket.rows[generator.integers(len(bucket.rows))])
            position = float(generator.random())
            try:
                waveforms.append(self.chunks.read(row, position))
            except AudioError:
                num_failed += 1
                if num_failed > MAX_UNREADABLE * bucket.batch_size:
                    raise
        return waveforms


class AugmentedBatches(Batches):
    """Batches of random chunks with augmented copies.

    Args:
        chunks: Utterances of the train split.
        buckets: Buckets, as ``length_buckets`` returns them.
        numbers: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the random chunks and augmentations.
        augmentation: Augmentation of the copies.
    """

    def __init__(
        self, chunks: Chunks, buckets: Sequence[Bucket], numbers: range, seed: int, augmentation: Augmentation
    ) -> None:
        super().__init__(chunks, buckets, numbers, seed)
        self.augmentation = augmentation

    def batch(self, number: int) -> dict[str, Any]:
        """Return batch ``number``, as ``AugmentedDataModule`` documents it."""
        generator = np.random.default_rng([self.seed, 1, number])
        clean = self.draw(generator)
        torch_generator = torch.Generator().manual_seed(int(generator.integers(1 << 62)))
        augmented = [self.augmentation(waveform, torch_generator) for waveform in clean]
        return {
            "clean": pad_sequence(clean, batch_first=True),
            "clean_samples": torch.tensor([len(waveform) for waveform in clean]),
            "augmented": pad_sequence(augmented, batch_first=True),
            "augmented_samples": torch.tensor([len(waveform) for waveform in augmented]),
        }


class Utterances(Dataset):
    """Beginnings of utterances, in batches of one; an unreadable utterance is replaced by the next one.

    Args:
        chunks: Utterances of the dev split.
        rows: Rows of the table that are yielded.
    """

    def __init__(self, chunks: Chunks, rows: np.ndarray) -> None:
        self.chunks = chunks
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"waveform": self.read(index)[None]}

    def read(self, index: int) -> Tensor:
        """Read the waveform (N,) of an utterance, or of the first after it that can be read.

        Raises:
            AudioError: No utterance can be read.
        """
        for step in range(len(self.rows)):
            row = int(self.rows[(index + step) % len(self.rows)])
            try:
                return self.chunks.read(row, 0.0)
            except AudioError:
                if step == len(self.rows) - 1:
                    raise
        raise IndexError(index)


class AugmentedUtterances(Utterances):
    """Beginnings of utterances with one copy for each augmentation; the copies are the same at every validation.

    Args:
        chunks: Utterances of the dev split.
        rows: Rows of the table that are yielded.
        augmentations: Augmentations by name.
        seed: Seed of the augmentations.
    """

    def __init__(self, chunks: Chunks, rows: np.ndarray, augmentations: Mapping[str, Augmentation], seed: int) -> None:
        super().__init__(chunks, rows)
        self.augmentations = dict(augmentations)
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Any]:
        clean = self.read(index)
        seed = np.random.SeedSequence([self.seed, 2, index]).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        augmented = {name: augment(clean, generator) for name, augment in self.augmentations.items()}
        return {"clean": clean, "augmented": augmented}
