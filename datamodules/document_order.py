"""Order of the documents of a stream in each epoch: a pure function of the seed and the epoch."""

from functools import lru_cache

import numpy as np

BLOCK = 1 << 12  # number of neighboring utterances that are shuffled as one
GROUP = 1 << 20  # number of utterances whose order is in memory at once; a multiple of BLOCK


class DocumentOrder:
    """Random order of documents, one for each epoch, in which they are laid end to end by their lengths.

    A corpus of more than ``GROUP`` utterances is shuffled in two steps: blocks of neighboring utterances are shuffled
    and collected into groups, and then the documents in each group are shuffled. The order of the whole corpus is
    therefore never in memory.

    Args:
        utterances: Number in the corpus of the utterance of each document, (N,).
        lengths: Expected number of ids of each document, (N,).
        seed: Seed of the order.
    """

    def __init__(self, utterances: np.ndarray, lengths: np.ndarray, seed: int) -> None:
        self.utterances = utterances
        self.lengths = lengths
        self.seed = seed
        block_starts = np.arange(0, len(utterances), BLOCK)
        self.block_lengths = np.add.reduceat(lengths, block_starts, dtype=np.int64)  # ids in each block
        self.num_groups = -(-len(self.block_lengths) * BLOCK // GROUP)
        # Rows are read mostly in order: few orders are in use at a time.
        self._groups = lru_cache(maxsize=2)(self._shuffle_blocks)
        self.documents = lru_cache(maxsize=3)(self._shuffle_documents)

    def group_at(self, epoch: int, position: int) -> int:
        """Return the group of documents at a position in the ids of an epoch."""
        group_starts = self._groups(epoch)[1]
        return int(np.searchsorted(group_starts, position, side="right")) - 1

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
            blocks.append(np.arange(block * BLOCK, min((block + 1) * BLOCK, len(self.utterances))))
        members = np.concatenate(blocks)
        seed = [self.seed, epoch]
        if self.num_groups > 1:
            seed.append(group)
        order = members[np.random.default_rng(seed).permutation(len(members))]
        lengths = self.lengths[order]
        return self.utterances[order], starts[group] + np.cumsum(lengths) - lengths
