"""How many units change between two sequences of them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.tokens.units import runs


class UnitEditDistance(Metric):
    """Insertions, deletions and substitutions per reference unit, summed over a corpus before dividing.

    Args:
        dedup: Whether runs of equal units count as one first (Gat et al. 2023).
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, dedup: bool = True) -> None:
        super().__init__()
        self.dedup = dedup
        self.add_state("edits", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, found: Sequence[int] | np.ndarray | Tensor, reference: Sequence[int] | np.ndarray | Tensor
    ) -> None:
        """Add one pair of sequences, (N,) and (M,)."""
        a, b = (np.asarray(row.cpu() if isinstance(row, Tensor) else row, dtype=np.int64) for row in (found, reference))
        a, b = (row[runs(row)[0]] if self.dedup else row for row in (a, b))
        self.edits += edit_distance(a, b)
        self.count += len(b)

    def compute(self) -> Tensor:
        return self.edits / self.count


def edit_distance(a: np.ndarray, b: np.ndarray) -> int:
    """Levenshtein distance of (N,) and (M,)."""
    positions = np.arange(len(b) + 1)
    row = positions.copy()
    for i, unit in enumerate(a, start=1):
        best = np.minimum(row[1:] + 1, row[:-1] + (b != unit))
        # An insertion costs 1 a position: with the position taken off, the cheapest way there is a running minimum.
        row = np.minimum.accumulate(np.concatenate([[i], best]) - positions) + positions
    return int(row[-1])
