"""Mix the packed rows of several streams by weight into training batches of a language model."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from datamodules.batch_numbers import batches_of_worker
from datamodules.packing import PackedStream

PERIOD = 1000  # number of rows in which each stream has exactly its share


class Mixture(IterableDataset):
    """Batches of rows from several streams; batch ``n`` is a pure function of (seed, n).

    In every period of ``PERIOD`` rows, each stream has exactly its share (rounded to whole rows); the order of the
    streams is drawn anew for each period.

    Args:
        streams: Streams of rows by name.
        weights: Share of each stream in the tokens, by the same names; normalized to a sum of 1.
        batch_size: Number of rows in a batch, B.
        batches: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the order of the streams.

    Raises:
        ValueError: The names differ, or the weights are negative or all zero.
    """

    def __init__(
        self,
        streams: Mapping[str, PackedStream],
        weights: Mapping[str, float],
        batch_size: int,
        batches: range,
        seed: int,
    ) -> None:
        if streams.keys() != weights.keys():
            raise ValueError(f"streams {sorted(streams)} and weights {sorted(weights)} must have the same names")
        share = np.array([weights[name] for name in streams])
        if (share < 0).any() or share.sum() <= 0:
            raise ValueError(f"weights must not be negative nor all zero, got {dict(weights)}")
        self.names = list(streams)
        self.streams = list(streams.values())
        self.batch_size = batch_size
        self.batches = batches
        self.seed = seed
        # The cumulative shares are rounded, not the shares themselves, so that the counts sum to PERIOD.
        ends = np.round(np.cumsum(share / share.sum()) * PERIOD).astype(int)
        self.counts = np.diff(ends, prepend=0)  # rows of each stream in a period, (streams,)
        self._pattern = lru_cache(maxsize=4)(self._draw_pattern)

    def _draw_pattern(self, period: int) -> np.ndarray:
        """Return the index of the stream of each row of a period, (PERIOD,)."""
        streams = np.repeat(np.arange(len(self.streams)), self.counts)
        return np.random.default_rng([self.seed, period, PERIOD]).permutation(streams)

    def locate(self, number: int) -> tuple[int, int]:
        """Return the index of the stream that supplies row ``number`` of the mixture, and the row's number in it."""
        period, row_of_period = divmod(number, PERIOD)
        pattern = self._pattern(period)
        stream = int(pattern[row_of_period])
        rows_before = int((pattern[:row_of_period] == stream).sum())  # of this stream, in this period
        return stream, period * int(self.counts[stream]) + rows_before

    def epochs(self, rows: int) -> dict[str, float]:
        """Return the number of epochs of each stream in the first ``rows`` rows of the mixture, by name."""
        period, row_of_period = divmod(rows, PERIOD)
        counts = period * self.counts + np.bincount(self._pattern(period)[:row_of_period], minlength=len(self.streams))
        epochs = {}
        for name, stream, count in zip(self.names, self.streams, counts, strict=True):
            epochs[name] = float(count / stream.rows_per_epoch)
        return epochs

    def batch(self, number: int) -> Tensor:
        """Return the token ids (B, T) of batch ``number``."""
        rows = []
        for row_of_mixture in range(number * self.batch_size, (number + 1) * self.batch_size):
            stream, row = self.locate(row_of_mixture)
            rows.append(self.streams[stream].row(row))
        return torch.from_numpy(np.stack(rows).astype(np.int64))

    def __iter__(self) -> Iterator[Tensor]:
        for number in batches_of_worker(self.batches):
            yield self.batch(number)
