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

    Of every thousand rows, each stream has exactly its share, rounded to whole rows, in the order of ``StreamOrder``.

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
        self.order = StreamOrder(share, seed)

    def epochs(self, rows: int) -> dict[str, float]:
        """Return the number of epochs of each stream in the first ``rows`` rows of the mixture, by name."""
        epochs = {}
        for name, stream, num_rows in zip(self.names, self.streams, self.order.rows_read(rows), strict=True):
            epochs[name] = float(num_rows / stream.rows_per_epoch)
        return epochs

    def batch(self, number: int) -> Tensor:
        """Return the token ids (B, T) of batch ``number``."""
        rows = []
        for row_of_mixture in range(number * self.batch_size, (number + 1) * self.batch_size):
            stream, row = self.order.locate(row_of_mixture)
            rows.append(self.streams[stream].row(row))
        return torch.from_numpy(np.stack(rows).astype(np.int64))

    def __iter__(self) -> Iterator[Tensor]:
        for number in batches_of_worker(self.batches):
            yield self.batch(number)


class StreamOrder:
    """Random order of streams in a mixture, drawn anew for each period of ``PERIOD`` rows.

    In every period, each stream has exactly its share, rounded to whole rows.

    Args:
        weights: Share of each stream, not negative; normalized to a sum of 1.
        seed: Seed of the order.
    """

    def __init__(self, weights: np.ndarray, seed: int) -> None:
        self.seed = seed
        # The cumulative shares are rounded, not the shares themselves, so that the counts sum to PERIOD.
        ends = np.round(np.cumsum(weights / weights.sum()) * PERIOD).astype(int)
        self.counts = np.diff(ends, prepend=0)  # rows of each stream in a period, (streams,)
        self._period = lru_cache(maxsize=4)(self._shuffle_streams)

    def _shuffle_streams(self, period: int) -> np.ndarray:
        """Return the index of the stream of each row of a period, (PERIOD,)."""
        streams = np.repeat(np.arange(len(self.counts)), self.counts)
        # PERIOD sets this seed apart from those of the documents: (seed, epoch) and (seed, epoch, group).
        return np.random.default_rng([self.seed, period, PERIOD]).permutation(streams)

    def locate(self, number: int) -> tuple[int, int]:
        """Return the index of the stream that supplies row ``number`` of the mixture, and the row's number in it."""
        period, row_of_period = divmod(number, PERIOD)
        streams = self._period(period)
        stream = int(streams[row_of_period])
        rows_before = int((streams[:row_of_period] == stream).sum())  # of this stream, in this period
        return stream, period * int(self.counts[stream]) + rows_before

    def rows_read(self, number: int) -> np.ndarray:
        """Return the number of rows of each stream in the first ``number`` rows of the mixture, (streams,)."""
        period, row_of_period = divmod(number, PERIOD)
        rows_in_period = np.bincount(self._period(period)[:row_of_period], minlength=len(self.counts))
        return period * self.counts + rows_in_period
