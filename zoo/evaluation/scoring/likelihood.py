"""How likely a language model finds continuations of prompts, every shared beginning computed once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedConfig

from zoo.evaluation.scoring.blocked_attention import attention_in_blocks
from zoo.evaluation.scoring.token_trees import Candidate, Tree, batch_trees, grow_trees
from zoo.language.generation import evaluating

LOGITS_IN_MEMORY, LOGITS_IN_CACHE = 1 << 26, 1 << 18


def log_likelihoods(
    network: nn.Module, candidates: Sequence[Candidate], batch_tokens: int | None = None, title: str = "score"
) -> np.ndarray:
    """Sum of log-probabilities in nats of each continuation given its prompt, (N,) float64.

    Candidates are sorted and packed into token trees, under a mask that shows each token its own ancestors at their own
    positions, so that the result is that of scoring each by itself, in the precision of the weights. The output layer is
    applied only where something is scored.

    Args:
        network: A transformers causal model (it must take 4-D attention masks, ``position_ids`` and ``logits_to_keep``).
        candidates: In any order; they may share any beginning.
        batch_tokens: Most ids in a batch, padding among them; None for 1024 on a processor (512 where the vocabulary
            is large), which keep to its cache, 8192 elsewhere.
        title: Of the progress bar.

    Raises:
        ValueError: Where a candidate is longer than the network's context, or than the window of some of its layers.
    """
    _check_lengths(network, candidates)
    first = next(network.parameters())
    result, rows = np.zeros(len(candidates)), network.config.vocab_size
    batch_tokens = batch_tokens or (8192 if first.device.type != "cpu" else 1024 if rows < 16_384 else 512)
    batches = list(batch_trees(list(grow_trees(candidates)), min(batch_tokens, LOGITS_IN_MEMORY // rows)))
    with (
        evaluating(network),
        attention_in_blocks(network),
        tqdm(total=len(candidates), desc=title, unit="item", mininterval=1.0, delay=2.0) as bar,
    ):
        for found in _side_by_side(
            partial(_score, network, candidates, first.device, first.dtype), batches, first.device
        ):
            for number, value in found.items():
                result[number] = value
            bar.update(len(found))
    return result


def _side_by_side(
    score: Callable[[list[Tree]], dict[int, float]], batches: list[list[Tree]], device: torch.device
) -> Iterator[dict[int, float]]:
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
    config = network.config
    limit, window = getattr(config, "max_position_embeddings", None), _window(config)
    longest = max((len(c.prompt) + len(c.continuation) for c in candidates), default=0)
    if window and longest > window:
        raise ValueError(
            f"an item has {longest} tokens, but some layers of this model see only the last {window}, which token trees cannot show them: leave it out"
        )
    if limit and longest > limit:
        raise ValueError(
            f"an item has {longest} tokens, but this model reads at most {limit}: leave it out, or use a model of a longer context"
        )


@torch.inference_mode()
def _score(
    network: nn.Module, candidates: Sequence[Candidate], device: torch.device, dtype: torch.dtype, trees: list[Tree]
) -> dict[int, float]:
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
            parents.append(path[first - 1 :] + start)
            targets.append(candidates[number].continuation)
            rows.append(np.full(len(parents[-1]), row))
            owners.append(np.full(len(parents[-1]), number))
    keep, kept = torch.unique(torch.from_numpy(np.concatenate(parents)), return_inverse=True)
    # Added to the scores: all implementations of attention take it so, and none has to turn it into that in every layer.
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
    logits = network(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=depth.to(device),
        logits_to_keep=keep.to(device),
        use_cache=False,
    ).logits
    at = [torch.from_numpy(np.concatenate(rows)), kept, torch.from_numpy(np.concatenate(targets).astype(np.int64))]
    owner = np.concatenate(owners)
    sums = -np.bincount(owner, weights=_losses(logits, *(index.to(device) for index in at)), minlength=len(candidates))
    return {number: sums[number] for tree in trees for number in tree.paths}


def _window(config: PreTrainedConfig) -> int | None:
    """How many tokens the layers with a sliding window see; None where no layer has one in use."""
    kinds = getattr(config, "layer_types", None)
    is_used = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    return getattr(config, "sliding_window", None) if is_used else None


def _losses(logits: Tensor, rows: Tensor, kept: Tensor, targets: Tensor) -> np.ndarray:
    """Of each target at its place in the logits (B, K, V), (N,) float64; by parts, because a copy of all would not stay in the cache."""
    size = max(1, (LOGITS_IN_CACHE if logits.device.type == "cpu" else LOGITS_IN_MEMORY) // logits.shape[-1])
    parts = zip(rows.split(size), kept.split(size), targets.split(size), strict=True)
    return (
        torch.cat(
            [
                nn.functional.cross_entropy(logits[row, place].float(), target, reduction="none")
                for row, place, target in parts
            ]
        )
        .double()
        .cpu()
        .numpy()
    )
