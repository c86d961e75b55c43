"""Rows of token ids: documents one after another, and rows drawn from several streams by weight."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from zoo.tokens.documents import Form

PERIOD = 1000
BLOCK, GROUP = 1 << 12, 1 << 20  # utterances; a group is of whole blocks


class PackedStream:
    """Rows of ``length`` ids of one form; row ``n`` is a pure function of (seed, n).

    The documents of an epoch stand in a random order that is cut into rows by their expected lengths. A row begins
    with the first document that begins in it, and its last one is cut off at the row's end.

    Of a corpus larger than ``GROUP``, blocks of neighbors are shuffled first and then the documents of ``GROUP`` at a time, so
    that no order of the whole corpus is ever in memory.

    Args:
        form: Makes the documents.
        length: Ids per row.
        seed: Of the order, and of what each document draws.

    Raises:
        ValueError: Where no utterance can take the form.
    """

    def __init__(self, form: Form, length: int, seed: int) -> None:
        if not len(form.rows):
            raise ValueError(f"no utterance can be read as {type(form).__name__}: it lacks text, speech or word times")
        self.form, self.length, self.seed = form, length, seed
        self.rows_per_epoch = max(1, int(form.lengths.sum()) // length)
        self.block_lengths = np.add.reduceat(form.lengths, np.arange(0, len(form.rows), BLOCK), dtype=np.int64)
        self.num_groups = -(-len(self.block_lengths) * BLOCK // GROUP)
        self._blocks, self._order = lru_cache(maxsize=2)(self._shuffled_blocks), lru_cache(maxsize=3)(self._shuffled)

    def _shuffled_blocks(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """The blocks of each group, and the place in the epoch's ids where each group starts."""
        if self.num_groups == 1:
            return [np.arange(len(self.block_lengths))], np.zeros(1, dtype=np.int64)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.block_lengths))
        groups = np.split(order, range(GROUP // BLOCK, len(order), GROUP // BLOCK))
        lengths = np.array([self.block_lengths[group].sum() for group in groups])
        return groups, np.cumsum(lengths) - lengths

    def _shuffled(self, epoch: int, group: int) -> tuple[np.ndarray, np.ndarray]:
        """The documents of a group in order, and where each starts in the epoch's ids."""
        groups, starts = self._blocks(epoch)
        members = np.concatenate(
            [
                np.arange(block * BLOCK, min((block + 1) * BLOCK, len(self.form.rows)))
                for block in groups[group].tolist()
            ]
        )
        order = members[
            np.random.default_rng([self.seed, epoch, group] if self.num_groups > 1 else [self.seed, epoch]).permutation(
                len(members)
            )
        ]
        lengths = self.form.lengths[order]
        return self.form.rows[order], starts[group] + np.cumsum(lengths) - lengths

    def row(self, number: int) -> np.ndarray:
        """Ids (length,)."""
        epoch, place = divmod(number, self.rows_per_epoch)
        group = int(np.searchsorted(self._blocks(epoch)[1], place * self.length, side="right")) - 1
        order, starts = self._order(epoch, group)
        draw = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        document, parts, room = int(np.searchsorted(starts, place * self.length)), [], self.length
        while room > 0:
            if document == len(order):
                group, document = (group + 1) % self.num_groups, 0
                order, _ = self._order(epoch, group)
            parts.append(self.form.document(int(order[document]), draw)[:room])
            room -= len(parts[-1])
            document += 1
        return np.concatenate(parts)


class Mixture(IterableDataset):
    """Batches of rows from several streams; batch ``n`` is a pure function of (seed, n).

    Of every thousand rows each stream has exactly its share, in an order drawn anew each time.

    Args:
        streams: By name.
        weights: Share of the tokens by name; they need not add up to one.
        batch_size: Rows per batch.
        batches: Which batches to serve; the end may be out of reach.
        seed: Of the order of the streams.
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
        self.names, self.streams = list(streams), list(streams.values())
        self.batch_size, self.batches, self.seed = batch_size, batches, seed
        ends = np.round(np.cumsum(share / share.sum()) * PERIOD).astype(int)
        self.counts = np.diff(ends, prepend=0)
        self._pattern = lru_cache(maxsize=4)(self._shuffled)

    def _shuffled(self, period: int) -> np.ndarray:
        return np.random.default_rng([self.seed, period, PERIOD]).permutation(
            np.repeat(np.arange(len(self.streams)), self.counts)
        )

    def locate(self, number: int) -> tuple[int, int]:
        """Of row ``number`` of the mixture: which stream, and which row of that stream."""
        period, place = divmod(number, PERIOD)
        pattern = self._pattern(period)
        stream = int(pattern[place])
        return stream, period * int(self.counts[stream]) + int((pattern[:place] == stream).sum())

    def epochs(self, rows: int) -> dict[str, float]:
        """How often each stream has been read when so many rows of the mixture have been, by name."""
        period, place = divmod(rows, PERIOD)
        read = period * self.counts + np.bincount(self._pattern(period)[:place], minlength=len(self.streams))
        return {
            name: float(count / stream.rows_per_epoch) for name, stream, count in zip(self.names, self.streams, read)
        }

    def batch(self, number: int) -> Tensor:
        """Token ids (B, T) of one batch."""
        places = map(self.locate, range(number * self.batch_size, (number + 1) * self.batch_size))
        return torch.from_numpy(np.stack([self.streams[stream].row(row) for stream, row in places]).astype(np.int64))

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()  # the DataLoader takes one batch from each worker in turn
        yield from map(self.batch, self.batches[worker.id :: worker.num_workers] if worker else self.batches)
