"""Log-likelihoods of continuations under a language model, with long shared beginnings computed once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedConfig, PreTrainedModel

from zoo.evaluation.scoring.blocked_attention import attention_in_blocks
from zoo.evaluation.scoring.token_trees import (
    Candidate,
    TokenTree,
    batch_trees,
    build_token_trees,
    single_branches,
)
from zoo.language.embedding_rows import text_config
from zoo.language.generation import eval_mode
from zoo.language.position_limits import has_alibi, max_positions, takes_position_ids

# Logits that are held at a time: in memory, and where the losses of a chunk should stay in the cache of a processor.
LOGITS_IN_MEMORY = 1 << 26
LOGITS_IN_CACHE = 1 << 18
# Default tokens in a batch: a batch that fits the cache of a processor is fastest there.
GPU_BATCH_TOKENS = 8192
CPU_BATCH_TOKENS = 1024
CPU_BATCH_TOKENS_LARGE_VOCABULARY = 512
LARGE_VOCABULARY = 16_384

# Sum of log-probabilities of each candidate of a batch of trees, by its number.
BatchScorer = Callable[[list[TokenTree]], dict[int, float]]


def log_likelihoods(
    network: PreTrainedModel, candidates: Sequence[Candidate], batch_tokens: int | None = None, title: str = "score"
) -> np.ndarray:
    """Return the sum of log-probabilities in nats of each continuation given its prompt, (N,) float64.

    Candidates are sorted and packed into token trees, under a mask that lets each token attend to its own ancestors at
    their own positions, so that the result is that of scoring each by itself, in the precision of the weights. The
    output layer is applied only where something is scored. Networks that need a mask of their own, such as Bloom and
    those with windows of attention shorter than a candidate, score each candidate in a row of its own.

    Args:
        network: Causal model that takes ``logits_to_keep``.
        candidates: Candidates in any order; they may share any beginning.
        batch_tokens: Maximum number of ids in a batch, padding included; if None, 8192 on a GPU and, to stay in the
            cache of a processor, 1024 elsewhere (512 for a large vocabulary).
        title: Title of the progress bar.

    Raises:
        ValueError: If a candidate is longer than the network's context.
    """
    _check_lengths(network, candidates)
    device = next(network.parameters()).device
    vocabulary_size = network.config.vocab_size
    batch_tokens = batch_tokens or _default_batch_tokens(device, vocabulary_size)
    in_trees = _takes_trees(network, candidates)
    trees = list(build_token_trees(candidates)) if in_trees else single_branches(candidates)
    batches = list(batch_trees(trees, min(batch_tokens, LOGITS_IN_MEMORY // vocabulary_size)))

    def score_batch(batch: list[TokenTree]) -> dict[int, float]:
        return _score_batch(network, candidates, batch, in_trees)

    sums = np.zeros(len(candidates))
    with (
        eval_mode(network),
        attention_in_blocks(network) if in_trees else nullcontext(),
        tqdm(total=len(candidates), desc=title, unit="item", mininterval=1.0, delay=2.0) as progress_bar,
    ):
        for batch_sums in _score_in_parallel(score_batch, batches, device):
            for number, value in batch_sums.items():
                sums[number] = value
            progress_bar.update(len(batch_sums))
    return sums


def per_token(sums: np.ndarray, candidates: Sequence[Candidate]) -> np.ndarray:
    """Return the mean log-probability of a token of each continuation, (N,), from their sums (N,)."""
    return sums / np.array([len(candidate.continuation) for candidate in candidates])


def _default_batch_tokens(device: torch.device, vocabulary_size: int) -> int:
    if device.type != "cpu":
        return GPU_BATCH_TOKENS
    return CPU_BATCH_TOKENS if vocabulary_size < LARGE_VOCABULARY else CPU_BATCH_TOKENS_LARGE_VOCABULARY


def _check_lengths(network: PreTrainedModel, candidates: Sequence[Candidate]) -> None:
    limit = max_positions(network)
    longest = max((len(candidate) for candidate in candidates), default=0)
    if longest > limit:
        raise ValueError(
            f"an item has {longest} tokens, but this model reads at most {limit}: "
            "leave it out, or use a model of a longer context"
        )


def _takes_trees(network: PreTrainedModel, candidates: Sequence[Candidate]) -> bool:
    """Return whether a network scores token trees: it must take any mask, and attend to whole candidates."""
    window = _sliding_window(text_config(network))
    longest = max((len(candidate) for candidate in candidates), default=0)
    return takes_position_ids(network) and not has_alibi(network) and (window is None or longest <= window)


def _sliding_window(config: PreTrainedConfig) -> int | None:
    """Return how many tokens the layers with a sliding window see; None where no layer uses one."""
    if "local" in (getattr(config, "attention_layers", None) or []):
        return config.window_size  # GPT-Neo
    layer_types = getattr(config, "layer_types", None)
    if layer_types:
        is_used = "sliding_attention" in layer_types
    else:
        is_used = getattr(config, "use_sliding_window", True)
    return getattr(config, "sliding_window", None) if is_used else None


def _score_in_parallel(
    score_batch: BatchScorer, batches: list[list[TokenTree]], device: torch.device
) -> Iterator[dict[int, float]]:
    """Yield the scores of each batch, in order.

    On a processor each core scores a batch of its own: matrix products of this size gain little from several cores.
    """
    num_threads = torch.get_num_threads()
    if device.type != "cpu" or num_threads == 1:
        yield from map(score_batch, batches)
        return
    try:
        with ThreadPoolExecutor(num_threads, initializer=torch.set_num_threads, initargs=(1,)) as executor:
            yield from executor.map(score_batch, batches)
    finally:
        torch.set_num_threads(num_threads)


@dataclass(frozen=True)
class _PackedTrees:
    """A batch of B trees as network inputs, and the S scored tokens in them.

    Trees are padded on the left, so that their scored ends line up on the right and few columns of logits are needed.

    Args:
        ids: Token of each node, (B, T).
        positions: Position of each node in its candidates, (B, T).
        mask: Which nodes each node attends to, (B, 1, T, T) bool.
        rows: Tree in the batch of each scored token, (S,).
        parents: Column of the node before each scored token, where the network predicts it, (S,).
        targets: Id of each scored token, (S,).
        owners: Number of the candidate of each scored token, (S,).
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    rows: np.ndarray
    parents: np.ndarray
    targets: np.ndarray
    owners: np.ndarray


def _pack_trees(candidates: Sequence[Candidate], trees: list[TokenTree]) -> _PackedTrees:
    length = max(len(tree.ids) for tree in trees)
    ids = torch.zeros(len(trees), length, dtype=torch.int64)
    positions = torch.zeros(len(trees), length, dtype=torch.int64)
    # Padding attends to itself, because a softmax over no token at all would divide by zero.
    mask = torch.eye(length, dtype=torch.bool).repeat(len(trees), 1, 1, 1)
    rows, parents, targets, owners = [], [], [], []
    for row, tree in enumerate(trees):
        start = length - len(tree.ids)
        ids[row, start:] = torch.tensor(tree.ids)
        positions[row, start:] = torch.tensor(tree.depth)
        mask[row, 0, start:, start:] = tree.mask()
        for number, path in tree.paths.items():
            candidate = candidates[number]
            # The first token of the continuation is predicted at the last token of the prompt.
            candidate_parents = path[len(candidate.prompt) - 1 :] + start
            parents.append(candidate_parents)
            targets.append(candidate.continuation)
            rows.append(np.full(len(candidate_parents), row))
            owners.append(np.full(len(candidate_parents), number))
    return _PackedTrees(
        ids=ids,
        positions=positions,
        mask=mask,
        rows=np.concatenate(rows),
        parents=np.concatenate(parents),
        targets=np.concatenate(targets).astype(np.int64),
        owners=np.concatenate(owners),
    )


@torch.inference_mode()
def _score_batch(
    network: PreTrainedModel, candidates: Sequence[Candidate], trees: list[TokenTree], in_trees: bool
) -> dict[int, float]:
    """Return the sum of log-probabilities of each candidate of a batch of trees, by its number."""
    first_parameter = next(network.parameters())
    device = first_parameter.device
    dtype = first_parameter.dtype
    packed = _pack_trees(candidates, trees)
    kept_columns, kept_index = torch.unique(torch.from_numpy(packed.parents), return_inverse=True)
    positions = {}
    if takes_position_ids(network):
        positions["position_ids"] = packed.positions.to(device)
    if in_trees:
        # As an addend to the attention scores, the mask is taken by all implementations of attention, and none has to
        # convert it in every layer.
        mask = torch.zeros(packed.mask.shape, dtype=dtype).masked_fill_(~packed.mask, torch.finfo(dtype).min)
    else:
        mask = packed.mask[:, 0, -1].long()  # (B, T): the last token of a single branch attends to all but padding
    logits = network(
        input_ids=packed.ids.to(device),
        attention_mask=mask.to(device),
        **positions,
        logits_to_keep=kept_columns.to(device),
        use_cache=False,
    ).logits
    losses = _target_losses(
        logits,
        torch.from_numpy(packed.rows).to(device),
        kept_index.to(device),
        torch.from_numpy(packed.targets).to(device),
    )
    sums = -np.bincount(packed.owners, weights=losses, minlength=len(candidates))
    return {number: sums[number] for tree in trees for number in tree.paths}


def _target_losses(logits: Tensor, rows: Tensor, columns: Tensor, targets: Tensor) -> np.ndarray:
    """Return the cross-entropy in nats of each target, (S,) float64.

    The targets are processed in chunks, because a float32 copy of all their logits would not stay in the cache.

    Args:
        logits: Logits, (B, K, V).
        rows: Row of each target in the logits, (S,).
        columns: Column of each target in the logits, (S,).
        targets: Target ids, (S,).
    """
    max_logits = LOGITS_IN_CACHE if logits.device.type == "cpu" else LOGITS_IN_MEMORY
    size = max(1, max_logits // logits.shape[-1])
    losses = []
    for row, column, target in zip(rows.split(size), columns.split(size), targets.split(size), strict=True):
        losses.append(nn.functional.cross_entropy(logits[row, column].float(), target, reduction="none"))
    return torch.cat(losses).double().cpu().numpy()
