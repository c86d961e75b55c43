"""Micro-batches: equal parts of a batch that are processed one after another to save memory."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from zoo.vocoder.losses import inner_runs

Batch = dict[str, Any]


def split_batch(batch: Batch, count: int) -> list[Batch]:
    """Split a batch into ``count`` equal parts along the first dimension of every tensor in it.

    Raises:
        ValueError: If ``count`` does not divide the batch.
    """
    size = len(batch["waveform"])
    if size % count:
        raise ValueError(f"micro_batches {count} must divide the batch of {size}")
    if count == 1:
        return [batch]
    length = size // count
    return [_slice(batch, slice(start, start + length)) for start in range(0, size, length)]


def _slice(value: Any, rows: slice) -> Any:
    if isinstance(value, dict):
        return {key: _slice(inner, rows) for key, inner in value.items()}
    return value[rows]


def duration_scale(part: Batch, parts: Sequence[Batch]) -> Tensor | float:
    """Return the factor on a part's duration loss with which the mean over all parts equals the loss of the batch.

    The duration loss is a mean over runs, and parts may have different numbers of runs: each part is weighted by its
    share of the runs.
    """
    if len(parts) == 1:
        return 1.0
    num_runs = inner_runs(part["run_frames"]).sum()
    total = reduce(torch.add, [inner_runs(other["run_frames"]).sum() for other in parts])
    return len(parts) * num_runs / total.clamp(min=1)
