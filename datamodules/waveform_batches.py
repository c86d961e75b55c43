"""Batches of waveforms, drawn by number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from zoo.audio import AudioError
from zoo.corpora.cut_table import CutTable
from zoo.corpora.utterance import load_waveform
from zoo.speech.augmentation import Augmentation

MAX_UNREADABLE = 20  # times the utterances of a batch: a few files may be broken, a missing disk is an error
Bucket = tuple[np.ndarray, int]


class Pieces:
    """Utterances, or of long ones a piece.

    Args:
        table: Of one split.
        max_seconds: Longest piece.
        sample_rate: Of the waveforms, in Hz.
    """

    def __init__(self, table: CutTable, max_seconds: float, sample_rate: int) -> None:
        self.table, self.max_seconds, self.sample_rate = table, max_seconds, sample_rate

    @property
    def seconds(self) -> np.ndarray:
        """Of each piece, (utterances,)."""
        return np.minimum(self.table.durations, self.max_seconds)

    def read(self, row: int, place: float) -> Tensor:
        """The piece (N,) of a row that begins at ``place``, from 0 for the earliest possible to 1 for the last.

        Raises:
            AudioError: It cannot be read.
        """
        cut = self.table[row]
        if cut.duration > self.max_seconds:
            cut = cut.truncate(offset=round(place * (cut.duration - self.max_seconds), 4), duration=self.max_seconds)
        return load_waveform(cut, self.sample_rate)


def length_buckets(seconds: np.ndarray, rows: np.ndarray, batch_seconds: float, num_buckets: int) -> list[Bucket]:
    """Rows of like length, each bucket of about as many seconds, with the number of them that makes a batch.

    Args:
        seconds: Of every row.
        rows: Those to be used.
        batch_seconds: No batch has more, where one utterance has not.
        num_buckets: At most.
    """
    rows = rows[np.argsort(seconds[rows], kind="stable")]
    share = np.cumsum(seconds[rows]) / seconds[rows].sum()
    parts = np.split(rows, np.searchsorted(share, np.arange(1, num_buckets) / num_buckets))
    return [(part, max(1, int(batch_seconds / seconds[part[-1]]))) for part in parts if len(part)]


class Batches(IterableDataset):
    """Batch ``n`` is a pure function of ``(seed, n)``: neither workers nor interruptions change the data.

    Args:
        pieces: Of the train split.
        buckets: As ``length_buckets`` makes them.
        numbers: Which batches to serve; the end may be out of reach.
        seed: Of the draw.
    """

    def __init__(self, pieces: Pieces, buckets: Sequence[Bucket], numbers: range, seed: int) -> None:
        self.pieces, self.buckets, self.numbers, self.seed = pieces, buckets, numbers, seed
        seconds = np.array(
            [pieces.seconds[rows].sum() / (size * pieces.seconds[rows].mean()) for rows, size in buckets]
        )
        self.chances = seconds / seconds.sum()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()  # the DataLoader takes one batch from each worker in turn
        yield from map(self.batch, self.numbers[worker.id :: worker.num_workers] if worker else self.numbers)

    def batch(self, n: int) -> dict[str, Any]:
        """All cut to the shortest of them, at a random place."""
        draw = np.random.default_rng([self.seed, 1, n])
        waveforms = self.draw(draw)
        length = min(map(len, waveforms))
        starts = [int(draw.integers(len(each) - length + 1)) for each in waveforms]
        return {"waveform": torch.stack([each[start : start + length] for each, start in zip(waveforms, starts)])}

    def draw(self, draw: np.random.Generator) -> list[Tensor]:
        """The waveforms of a batch, from one bucket."""
        rows, size = self.buckets[draw.choice(len(self.buckets), p=self.chances)]
        found, failed = [], 0
        while len(found) < size:
            row, place = int(rows[draw.integers(len(rows))]), float(draw.random())
            try:
                found.append(self.pieces.read(row, place))
            except AudioError:
                failed += 1
                if failed > MAX_UNREADABLE * size:
                    raise
        return found


class AugmentedBatches(Batches):
    """Likewise, with changed copies.

    Args:
        pieces: Of the train split.
        buckets: As ``length_buckets`` makes them.
        numbers: Which batches to serve.
        seed: Of the draw.
        augmentation: Of the copies.
    """

    def __init__(
        self, pieces: Pieces, buckets: Sequence[Bucket], numbers: range, seed: int, augmentation: Augmentation
    ) -> None:
        super().__init__(pieces, buckets, numbers, seed)
        self.augmentation = augmentation

    def batch(self, n: int) -> dict[str, Any]:
        draw = np.random.default_rng([self.seed, 1, n])
        clean = self.draw(draw)
        chance = torch.Generator().manual_seed(int(draw.integers(1 << 62)))
        augmented = [self.augmentation(each, chance) for each in clean]
        return {
            "clean": pad_sequence(clean, batch_first=True),
            "clean_samples": torch.tensor([len(each) for each in clean]),
            "augmented": pad_sequence(augmented, batch_first=True),
            "augmented_samples": torch.tensor([len(each) for each in augmented]),
        }


class Utterances(Dataset):
    """Beginnings of utterances, in batches of one; those that cannot be read are replaced by the next.

    Args:
        pieces: Of the dev split.
        rows: Which of them.
    """

    def __init__(self, pieces: Pieces, rows: np.ndarray) -> None:
        self.pieces, self.rows = pieces, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"waveform": self.read(index)[None]}

    def read(self, index: int) -> Tensor:
        for step in range(len(self.rows)):
            try:
                return self.pieces.read(int(self.rows[(index + step) % len(self.rows)]), 0.0)
            except AudioError:
                if step == len(self.rows) - 1:
                    raise
        raise IndexError(index)


class AugmentedUtterances(Utterances):
    """Likewise, with a copy for each augmentation; the same copies at every validation.

    Args:
        pieces: Of the dev split.
        rows: Which of them.
        augmentations: By name.
        seed: Of the strengths.
    """

    def __init__(self, pieces: Pieces, rows: np.ndarray, augmentations: Mapping[str, Augmentation], seed: int) -> None:
        super().__init__(pieces, rows)
        self.augmentations, self.seed = dict(augmentations), seed

    def __getitem__(self, index: int) -> dict[str, Any]:
        clean = self.read(index)
        chance = torch.Generator().manual_seed(int(np.random.SeedSequence([self.seed, 2, index]).generate_state(1)[0]))
        return {
            "clean": clean,
            "augmented": {name: change(clean, chance) for name, change in self.augmentations.items()},
        }
