"""Candidates that share beginnings, as trees of tokens in which every beginning is there once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

# Longer trees would spend more on attention than they share.
TREE_TOKENS = 1024


@dataclass(frozen=True)
class Candidate:
    """A prompt and one continuation, both ids (N,); neither is empty."""

    prompt: np.ndarray
    continuation: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.prompt) or not len(self.continuation):
            raise ValueError("a candidate needs a prompt and a continuation, at least one token each")

    @property
    def ids(self) -> np.ndarray:
        return np.concatenate([self.prompt, self.continuation]).astype(np.int64)


@dataclass
class Tree:
    """Candidates with a common beginning as one sequence of tokens, each of which sees its own ancestors only.

    The last token of a candidate is not among them, because nothing follows it that could be scored.

    Args:
        ids: Tokens in the order in which they were first met, (T,).
        depth: Position of each in its candidates, (T,).
        paths: Nodes of each candidate by its number.
        shared: How many of them were there before it came.
    """

    ids: list[int] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    paths: dict[int, np.ndarray] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)

    def add(self, number: int, ids: np.ndarray, shared: int, path: np.ndarray) -> None:
        """Hang a candidate below the first ``shared`` nodes of ``path``."""
        start = len(self.ids)
        self.ids += ids[shared:].tolist()
        self.depth += range(shared, len(ids))
        self.paths[number], self.shared[number] = (
            np.concatenate([path[:shared], np.arange(start, len(self.ids))]),
            shared,
        )

    def mask(self) -> Tensor:
        """Which nodes (columns) each node sees: itself and its ancestors, (T, T) bool; none of them comes after it."""
        mask, before = (
            torch.zeros(len(self.ids), len(self.ids), dtype=torch.bool),
            torch.ones(len(self.ids), len(self.ids), dtype=torch.bool).tril_(),
        )
        for number, path in self.paths.items():
            shared = self.shared[number]
            start, end = int(path[-1]) - (len(path) - shared) + 1, int(path[-1]) + 1
            mask[start:end, start:end] = before[: end - start, : end - start]
            if shared:  # what the node that it hangs from sees
                mask[start:end] |= mask[int(path[shared - 1])]
        return mask


def grow_trees(candidates: Sequence[Candidate]) -> Iterator[Tree]:
    """Sorted, a candidate shares the longest beginning with its neighbor: each tree is a run of neighbors that share at least a quarter."""
    ids = [candidate.ids for candidate in candidates]
    tree, last, path = Tree(), np.zeros(0, np.int64), np.zeros(0, np.int64)
    for number in sorted(range(len(ids)), key=lambda i: ids[i].tolist()):
        nodes = ids[number][:-1]
        shared = _common(last, nodes)
        if 4 * shared < len(nodes) or len(tree.ids) + len(nodes) - shared > max(TREE_TOKENS, 2 * len(nodes)):
            if tree.paths:
                yield tree
            tree, shared = Tree(), 0
        tree.add(number, nodes, shared, path)
        last, path = nodes, tree.paths[number]
    if tree.paths:
        yield tree


def _common(a: np.ndarray, b: np.ndarray) -> int:
    length = min(len(a), len(b))
    differs = np.flatnonzero(a[:length] != b[:length])
    return int(differs[0]) if len(differs) else length


def batch_trees(trees: Sequence[Tree], batch_tokens: int) -> Iterator[list[Tree]]:
    """Longest first; a batch holds no tree of less than three quarters of its longest one, which would be mostly padding."""
    batch: list[Tree] = []
    for tree in sorted(trees, key=lambda tree: -len(tree.ids)):
        if batch and ((len(batch) + 1) * len(batch[0].ids) > batch_tokens or 4 * len(tree.ids) < 3 * len(batch[0].ids)):
            yield batch
            batch = []
        batch.append(tree)
    if batch:
        yield batch
