"""Token trees: candidates that share a long beginning, packed so that it is computed once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

# The attention mask of a tree is quadratic in its size: longer trees would spend more on attention than they share.
TREE_TOKENS = 1024


@dataclass(frozen=True)
class Candidate:
    """A prompt and one continuation of it.

    Args:
        prompt: Ids, (P,), at least one.
        continuation: Ids, (N,), at least one.
    """

    prompt: np.ndarray
    continuation: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.prompt) or not len(self.continuation):
            raise ValueError("a candidate needs a prompt and a continuation of at least one token each")

    def __len__(self) -> int:
        return len(self.prompt) + len(self.continuation)

    @property
    def ids(self) -> np.ndarray:
        """Ids of the prompt and the continuation, (P + N,)."""
        return np.concatenate([self.prompt, self.continuation]).astype(np.int64)


@dataclass
class TokenTree:
    """Candidates with a common beginning as one sequence of T tokens, each of which attends to its own ancestors only.

    The last token of a candidate is not a node, because nothing that follows it is scored.

    Args:
        ids: Token of each node, in the order in which candidates were added, (T,).
        depth: Position of each node in its candidates, (T,).
        paths: Nodes of each candidate from its first token on, by the number of the candidate.
        shared: How many of these nodes were in the tree before the candidate was added, by the same number.
    """

    ids: list[int] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    paths: dict[int, np.ndarray] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)

    def add(self, number: int, ids: np.ndarray, shared: int, path: np.ndarray) -> None:
        """Add a candidate as a branch that leaves an earlier path.

        Args:
            number: Number of the candidate.
            ids: Its ids without the last, (N,).
            shared: How many of its first ids are those of ``path``.
            path: Nodes of the candidate that it shares them with.
        """
        start = len(self.ids)
        self.ids += ids[shared:].tolist()
        self.depth += range(shared, len(ids))
        self.paths[number] = np.concatenate([path[:shared], np.arange(start, len(self.ids))])
        self.shared[number] = shared

    def mask(self) -> Tensor:
        """Return which nodes (columns) each node (row) attends to: itself and its ancestors, (T, T) bool.

        No node comes before its ancestors, so that the mask is lower triangular. Candidates are visited in the order
        in which they were added, so that the row of the node that a branch leaves is complete before it is copied.
        """
        num_nodes = len(self.ids)
        mask = torch.zeros(num_nodes, num_nodes, dtype=torch.bool)
        causal = torch.ones(num_nodes, num_nodes, dtype=torch.bool).tril_()
        for number, path in self.paths.items():
            shared = self.shared[number]
            # The nodes that a candidate adds are consecutive and end with its last node; none where all were shared.
            end = int(path[-1]) + 1
            start = end - (len(path) - shared)
            mask[start:end, start:end] = causal[: end - start, : end - start]
            if shared:
                # Each added node also attends to all that the node its branch leaves attends to.
                mask[start:end] |= mask[int(path[shared - 1])]
        return mask


def build_token_trees(candidates: Sequence[Candidate]) -> Iterator[TokenTree]:
    """Yield trees that contain every candidate once, by its index in ``candidates``.

    Candidates are added in lexicographic order, in which those with the longest common beginning are neighbors. A new
    tree starts where a candidate shares less than a quarter of its nodes with the one before, or where the tree would
    exceed ``TREE_TOKENS`` (or twice the candidate, if that is longer).
    """
    ids = [candidate.ids for candidate in candidates]
    tree = TokenTree()
    last_nodes = np.zeros(0, np.int64)
    last_path = np.zeros(0, np.int64)
    for number in sorted(range(len(ids)), key=lambda index: ids[index].tolist()):
        nodes = ids[number][:-1]
        shared = _shared_length(last_nodes, nodes)
        shares_too_little = 4 * shared < len(nodes)
        is_full = len(tree.ids) + len(nodes) - shared > max(TREE_TOKENS, 2 * len(nodes))
        if shares_too_little or is_full:
            if tree.paths:
                yield tree
            tree = TokenTree()
            shared = 0
        tree.add(number, nodes, shared, last_path)
        last_nodes = nodes
        last_path = tree.paths[number]
    if tree.paths:
        yield tree


def single_branches(candidates: Sequence[Candidate]) -> list[TokenTree]:
    """Return a tree for each candidate, by its index in ``candidates``."""
    trees = []
    for number, candidate in enumerate(candidates):
        tree = TokenTree()
        tree.add(number, candidate.ids[:-1], 0, np.zeros(0, np.int64))
        trees.append(tree)
    return trees


def _shared_length(first: np.ndarray, second: np.ndarray) -> int:
    """Return the length of the longest common beginning of two sequences of ids, (N,) and (M,)."""
    length = min(len(first), len(second))
    differences = np.flatnonzero(first[:length] != second[:length])
    return int(differences[0]) if len(differences) else length


def batch_trees(trees: Sequence[TokenTree], batch_tokens: int) -> Iterator[list[TokenTree]]:
    """Yield batches of trees of similar size, the largest first.

    A batch has at most ``batch_tokens`` tokens with its padding, unless it is a single tree. All its trees have at
    least three quarters of the tokens of its largest, so that at most a quarter of a row is padding.
    """
    batch: list[TokenTree] = []
    for tree in sorted(trees, key=lambda tree: -len(tree.ids)):
        if batch:
            largest = len(batch[0].ids)
            is_full = (len(batch) + 1) * largest > batch_tokens
            is_much_smaller = 4 * len(tree.ids) < 3 * largest
            if is_full or is_much_smaller:
                yield batch
                batch = []
        batch.append(tree)
    if batch:
        yield batch
