"""How likely a language model finds continuations of prompts, every shared beginning computed once."""
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

LOGITS_IN_MEMORY = 1 << 26
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
        self.paths[number], self.shared[number] = np.concatenate([path[:shared], np.arange(start, len(self.ids))]), shared

    def mask(self) -> Tensor:
        """Which nodes (columns) each node sees: itself and its ancestors, (T, T) bool."""
        mask, before = torch.zeros(len(self.ids), len(self.ids), dtype=torch.bool), torch.ones(len(self.ids), len(self.ids), dtype=torch.bool).tril_()
        for number, path in self.paths.items():
            shared = self.shared[number]
            start, end = int(path[-1]) - (len(path) - shared) + 1, int(path[-1]) + 1
            mask[start:end, start:end] = before[: end - start, : end - start]
            if shared:  # what the node that it hangs from sees
                mask[start:end] |= mask[int(path[shared - 1])]
        return mask


def log_likelihoods(network: nn.Module, candidates: Sequence[Candidate], batch_tokens: int | None = None, title: str = "score") -> np.ndarray:
    """Sum of log-probabilities in nats of each continuation given its prompt, (N,) float64.

    Candidates are sorted and packed into token trees, under a mask that shows each token its own ancestors at their own
    positions, so that the result is that of scoring each by itself, in the precision of the weights. The output layer is
    applied only where something is scored.

    Args:
        network: A transformers causal model (it must take 4-D attention masks, ``position_ids`` and ``logits_to_keep``).
        candidates: In any order; they may share any beginning.
        batch_tokens: Most ids in a batch, padding among them; None for 1024 on a processor, which keep to its cache, 8192 elsewhere.
        title: Of the progress bar.

    Raises:
        ValueError: Where a candidate is longer than the network's context.
    """
    _check_lengths(network, candidates)
    first, training = next(network.parameters()), network.training
    network.eval()
    result, trees = np.zeros(len(candidates)), list(_trees(candidates))
    batch_tokens = batch_tokens or (1024 if first.device.type == "cpu" else 8192)
    batches = list(_batches(trees, min(batch_tokens, LOGITS_IN_MEMORY // network.config.vocab_size)))
    with tqdm(total=len(candidates), desc=title, unit="item", mininterval=1.0, delay=2.0) as bar:
        for found in _side_by_side(partial(_score, network, candidates, first.device, first.dtype), batches, first.device):
            for number, value in found.items():
                result[number] = value
            bar.update(len(found))
    network.train(training)
    return result


def _side_by_side(score: Callable[[list[Tree]], dict[int, float]], batches: list[list[Tree]], device: torch.device) -> Iterator[dict[int, float]]:
    """Scores of each batch. On a processor each core has a batch of its own: small products gain little from several."""
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield from map(score, batches)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as cores:
            yield from cores.map(score, batches)
    finally:
        torch.set_num_threads(threads)


def per_token(sums: np.ndarray, candidates: Sequence[Candidate]) -> np.ndarray:
    """Mean log-probability of a token of each continuation, (N,)."""
    return sums / np.array([len(candidate.continuation) for candidate in candidates])


def _check_lengths(network: nn.Module, candidates: Sequence[Candidate]) -> None:
    limit = network.config.max_position_embeddings
    longest = max((len(c.prompt) + len(c.continuation) for c in candidates), default=0)
    if longest > limit:
        raise ValueError(f"an item has {longest} tokens, but this model reads at most {limit}: leave it out, or use a model of a longer context")


def _trees(candidates: Sequence[Candidate]) -> Iterator[Tree]:
    """Sorted, a candidate shares the longest beginning with its neighbour: each tree is a run of neighbours that share at least a quarter."""
    ids = [candidate.ids for candidate in candidates]
    tree, last, path = Tree(), np.zeros(0, np.int64), np.zeros(0, np.int64)
    for number in sorted(range(len(ids)), key=lambda i: ids[i].tolist()):
        shared = _common(last, ids[number])
        most = max(TREE_TOKENS, 2 * len(ids[number]))
        if 4 * shared < len(ids[number]) or len(tree.ids) + len(ids[number]) - shared > most:
            if tree.paths:
                yield tree
            tree, shared = Tree(), 0
        tree.add(number, ids[number], shared, path)
        last, path = ids[number], tree.paths[number]
    if tree.paths:
        yield tree


def _common(a: np.ndarray, b: np.ndarray) -> int:
    length = min(len(a), len(b))
    differs = np.flatnonzero(a[:length] != b[:length])
    return int(differs[0]) if len(differs) else length


def _batches(trees: Sequence[Tree], batch_tokens: int) -> Iterator[list[Tree]]:
    """Longest first; a batch holds no tree of less than three quarters of its longest one, which would be mostly padding."""
    batch: list[Tree] = []
    for tree in sorted(trees, key=lambda tree: -len(tree.ids)):
        if batch and ((len(batch) + 1) * len(batch[0].ids) > batch_tokens or 4 * len(tree.ids) < 3 * len(batch[0].ids)):
            yield batch
            batch = []
        batch.append(tree)
    if batch:
        yield batch


@torch.inference_mode()
def _score(network: nn.Module, candidates: Sequence[Candidate], device: torch.device, dtype: torch.dtype, trees: list[Tree]) -> dict[int, float]:
    """Sums by candidate of the trees of a batch, which are padded on the left, so that what is scored lines up on the right."""
    length = max(len(tree.ids) for tree in trees)
    ids, depth = torch.zeros(len(trees), length, dtype=torch.int64), torch.zeros(len(trees), length, dtype=torch.int64)
    # Padding sees itself, because a row of nothing would be divided by zero.
    seen = torch.eye(length, dtype=torch.bool).repeat(len(trees), 1, 1, 1)
    rows, parents, targets, owners = [], [], [], []
    for row, tree in enumerate(trees):
        start = length - len(tree.ids)
        ids[row, start:], depth[row, start:] = torch.tensor(tree.ids), torch.tensor(tree.depth)
        seen[row, 0, start:, start:] = tree.mask()
        for number, path in tree.paths.items():
            first = len(candidates[number].prompt)
            parents.append(path[first - 1:-1] + start)
            targets.append(candidates[number].continuation)
            rows.append(np.full(len(path) - first, row))
            owners.append(np.full(len(path) - first, number))
    keep, kept = torch.unique(torch.from_numpy(np.concatenate(parents)), return_inverse=True)
    # Added to the scores: all implementations of attention take it so, and none has to turn it into that in every layer.
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
    logits = network(input_ids=ids.to(device), attention_mask=mask.to(device), position_ids=depth.to(device),
                     logits_to_keep=keep.to(device), use_cache=False).logits
    scored = logits[torch.from_numpy(np.concatenate(rows)).to(device), kept.to(device)]
    losses = _losses(scored, torch.from_numpy(np.concatenate(targets).astype(np.int64)).to(device))
    owner = np.concatenate(owners)
    sums = -np.bincount(owner, weights=losses, minlength=len(candidates))
    return {number: sums[number] for tree in trees for number in tree.paths}


def _losses(logits: Tensor, targets: Tensor) -> np.ndarray:
    return nn.functional.cross_entropy(logits.float(), targets, reduction="none").double().cpu().numpy()
