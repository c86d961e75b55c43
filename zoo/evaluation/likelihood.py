"""How likely a language model finds continuations of prompts."""
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from zoo.hardware import autocast_dtype


@dataclass(frozen=True)
class Candidate:
    """A prompt and one continuation, both ids (N,); neither is empty."""

    prompt: np.ndarray
    continuation: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.prompt) or not len(self.continuation):
            raise ValueError("a candidate needs a prompt and a continuation, at least one token each")


@torch.inference_mode()
def log_likelihoods(network: nn.Module, candidates: Sequence[Candidate], batch_tokens: int = 16_384, title: str = "score") -> np.ndarray:
    """Sum of log-probabilities in nats of each continuation given its prompt, (N,) float64.

    Args:
        network: Maps ids (B, T) to ``.logits`` (B, T, V).
        candidates: In any order.
        batch_tokens: Most ids in a batch, padding among them.
        title: Of the progress bar.
    """
    device, training = next(network.parameters()).device, network.training
    network.eval()
    result = np.zeros(len(candidates))
    dtype = autocast_dtype()
    with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
        for batch in tqdm(list(_batches(candidates, batch_tokens)), desc=title, unit="batch", mininterval=1.0):
            ids, wanted = _padded([candidates[i] for i in batch])
            result[batch] = _sums(network(input_ids=ids.to(device)).logits[:, :-1], ids[:, 1:].to(device), wanted.to(device)).cpu()
    network.train(training)
    return result


def per_token(sums: np.ndarray, candidates: Sequence[Candidate]) -> np.ndarray:
    """Mean log-probability of a token of each continuation, (N,)."""
    return sums / np.array([len(candidate.continuation) for candidate in candidates])


def _batches(candidates: Sequence[Candidate], batch_tokens: int) -> Iterator[list[int]]:
    lengths = [len(c.prompt) + len(c.continuation) for c in candidates]
    batch: list[int] = []
    for index in sorted(range(len(candidates)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _padded(batch: list[Candidate]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (B, T) padded on the right, where nothing before can see them, and the mask (B, T - 1) of scored targets."""
    length = max(len(c.prompt) + len(c.continuation) for c in batch)
    ids, wanted = torch.zeros(len(batch), length, dtype=torch.int64), torch.zeros(len(batch), length - 1, dtype=torch.bool)
    for row, candidate in enumerate(batch):
        start, end = len(candidate.prompt), len(candidate.prompt) + len(candidate.continuation)
        ids[row, :end] = torch.from_numpy(np.concatenate([candidate.prompt, candidate.continuation]).astype(np.int64))
        wanted[row, start - 1:end - 1] = True
    return ids, wanted


def _sums(logits: torch.Tensor, targets: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    scored = logits[wanted].float()
    losses = nn.functional.cross_entropy(scored, targets[wanted], reduction="none").double()
    rows = wanted.nonzero()[:, 0]
    return -torch.zeros(len(wanted), dtype=torch.float64, device=logits.device).index_add_(0, rows, losses)
