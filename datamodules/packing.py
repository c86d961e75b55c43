"""Rows of token ids: documents packed one after another, and rows drawn from several streams by weight."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from datamodules.batch_numbers import batches_of_worker
from zoo.tokens.documents import Form

PERIOD = 1000  # rows over which each stream of a mixture has exactly its share
BLOCK = 1 << 12  # neighboring utterances that stay in one group
GROUP = 1 << 20  # utterances whose order is in memory at once; a whole number of blocks


class PackedStream:
    """Rows of ``length`` ids of documents of one form; row ``n`` is a pure function of (seed, n).

    The documents of an epoch are put in a random order, which is cut into rows by the expected lengths of the
    documents. A row begins with the first document that begins in it, and its last document is cut off at the end of
    the row.

    In a corpus of more than ``GROUP`` utterances, blocks of neighbors are shuffled first, and then the documents of
    ``GROUP`` utterances at a time, so that no order of the whole corpus is ever in memory.

    Args:
        form: Makes the documents.
        length: Ids per row.
        seed: Seed of the order, and of what each document draws.

    Raises:
        ValueError: Where no utterance can take the form.
    """

    def __init__(self, form: Form, length: int, seed: int) -> None:
        if not len(form.rows):
            raise ValueError(f"no utterance can be read as {type(form).__name__}: it lacks text, speech or word times")
        self.form = form
        self.length = length
        self.seed = seed
        self.rows_per_epoch = max(1, int(form.lengths.sum()) // length)
        block_starts = np.arange(0, len(form.rows), BLOCK)
        self.block_lengths = np.add.reduceat(form.lengths, block_starts, dtype=np.int64)  # ids in each block
        self.num_groups = -(-len(self.block_lengths) * BLOCK // GROUP)
        # Rows are read mostly in order: few orders are in use at a time.
        self._groups = lru_cache(maxsize=2)(self._shuffle_blocks)
        self._order = lru_cache(maxsize=3)(self._shuffle_documents)

    def _shuffle_blocks(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the blocks of each group, and the position in the ids of the epoch where each group starts."""
        if self.num_groups == 1:
            return [np.arange(len(self.block_lengths))], np.zeros(1, dtype=np.int64)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.block_lengths))
        blocks_per_group = GROUP // BLOCK
        groups = np.split(order, range(blocks_per_group, len(order), blocks_per_group))
        lengths = np.array([self.block_lengths[group].sum() for group in groups])
        return groups, np.cumsum(lengths) - lengths

    def _shuffle_documents(self, epoch: int, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the utterances of a group in order, and the position in the ids of the epoch where each starts."""
        groups, starts = self._groups(epoch)
        blocks = []
        for block in groups[group].tolist():
            blocks.append(np.arange(block * BLOCK, min((block + 1) * BLOCK, len(self.form.rows))))
        members = np.concatenate(blocks)
        seed = [self.seed, epoch]
        if self.num_groups > 1:
            seed.append(group)
        order = members[np.random.default_rng(seed).permutation(len(members))]
        lengths = self.form.lengths[order]
        return self.form.rows[order], starts[group] + np.cumsum(lengths) - lengths

    def row(self, number: int) -> np.ndarray:
        """Return the ids (length,) of row ``number``, counted over all epochs."""
        epoch, row_of_epoch = divmod(number, self.rows_per_epoch)
        position = row_of_epoch * self.length  # of the row in the ids of the epoch
        group_starts = self._groups(epoch)[1]
        group = int(np.searchsorted(group_starts, position, side="right")) - 1
        order, document_starts = self._order(epoch, group)
        # Keyed by the row, so that it draws the same whichever rows were made before it.
        draw = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        document = int(np.searchsorted(document_starts, position))
        parts = []
        remaining = self.length
        while remaining > 0:
            if document == len(order):  # the next group, and after the last one the first again
                group = (group + 1) % self.num_groups
                document = 0
                order, _ = self._order(epoch, group)
            ids = self.form.document(int(order[document]), draw)[:remaining]
            parts.append(ids)
            remaining -= len(ids)
            document += 1
        return np.concatenate(parts)


class Mixture(IterableDataset):
    """Batches of rows from several streams; batch ``n`` is a pure function of (seed, n).

    Of every thousand rows each stream has exactly its share, in an order that is drawn for each thousand.

    Args:
        streams: Streams of rows by name.
        weights: Share of each stream in the tokens, by the same names; they need not sum to 1.
        batch_size: Rows per batch, B.
        batches: Numbers of the batches to serve; the end may never be reached.
        seed: Seed of the order of the streams.

    Raises:
        ValueError: Where the names differ, or the weights are negative or all zero.
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
        # Rounding the ends of the shares, not the shares, makes the counts sum to a period.
        ends = np.round(np.cumsum(share / share.sum()) * PERIOD).astype(int)
        self.counts = np.diff(ends, prepend=0)  # rows of each stream in a period, (streams,)
        self._pattern = lru_cache(maxsize=4)(self._draw_pattern)

    def _draw_pattern(self, period: int) -> np.ndarray:
        """Return the stream of each row of a period, (PERIOD,)."""
        streams = np.repeat(np.arange(len(self.streams)), self.counts)
        return np.random.default_rng([self.seed, period, PERIOD]).permutation(streams)

    def locate(self, number: int) -> tuple[int, int]:
        """Return the stream that row ``number`` of the mixture is from, and its number in that stream."""
        period, place = divmod(number, PERIOD)
        pattern = self._pattern(period)
        stream = int(pattern[place])
        rows_before = int((pattern[:place] == stream).sum())
        return stream, period * int(self.counts[stream]) + rows_before

    def epochs(self, rows: int) -> dict[str, float]:
        """Return how many times each stream has been read after ``rows`` rows of the mixture, by name."""
        period, place = divmod(rows, PERIOD)
        counts = period * self.counts + np.bincount(self._pattern(period)[:place], minlength=len(self.streams))
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
