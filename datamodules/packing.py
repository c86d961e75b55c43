"""Pack documents of token ids one after another into training rows of equal length."""

from functools import lru_cache

import numpy as np

from zoo.tokens.documents import Form

BLOCK = 1 << 12  # number of neighboring utterances that are shuffled as one
GROUP = 1 << 20  # number of utterances whose order is in memory at once; a multiple of BLOCK


class PackedStream:
    """Training rows of ``length`` ids, filled with documents of one form; row ``n`` is a pure function of (seed, n).

    The documents of an epoch are put in a random order and laid end to end by their expected lengths, and the resulting
    line is divided into rows. A row is filled from the first document that starts in it; the last document is cut off
    at the end of the row.

    A corpus of more than ``GROUP`` utterances is shuffled in two steps: blocks of neighboring utterances are shuffled
    and collected into groups, and then the documents in each group are shuffled. The order of the whole corpus is
    therefore never in memory.

    Args:
        form: Makes the documents.
        length: Number of ids in a row.
        seed: Seed of the order of the documents and of the random choices within them.

    Raises:
        ValueError: No utterance can take the form.
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
        position = row_of_epoch * self.length  # expected position of the row in the ids of the epoch
        group_starts = self._groups(epoch)[1]
        group = int(np.searchsorted(group_starts, position, side="right")) - 1
        order, document_starts = self._order(epoch, group)
        # Keyed by the number of the row, so that its random choices do not depend on the rows made before it.
        draw = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        document = int(np.searchsorted(document_starts, position))
        parts = []
        remaining = self.length
        while remaining > 0:
            if document == len(order):  # continue with the next group, and after the last group with the first
                group = (group + 1) % self.num_groups
                document = 0
                order, _ = self._order(epoch, group)
            ids = self.form.document(int(order[document]), draw)[:remaining]
            parts.append(ids)
            remaining -= len(ids)
            document += 1
        return np.concatenate(parts)
