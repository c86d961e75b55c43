"""Edit distance between two sequences of units."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.tokens.units import deduplicate


class UnitEditDistance(Metric):
    """Insertions, deletions and substitutions per reference unit; both are summed over the corpus before dividing.

    Args:
        dedup: Whether runs of equal units count as one unit (Gat et al. 2023).
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    edits: Tensor
    count: Tensor

    def __init__(self, dedup: bool = True) -> None:
        super().__init__()
        self.dedup = dedup
        self.add_state("edits", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, predicted: Sequence[int] | np.ndarray | Tensor, reference: Sequence[int] | np.ndarray | Tensor
    ) -> None:
        """Add one pair of sequences, (N,) and (M,)."""
        reference_units = self._units(reference)
        self.edits += edit_distance(self._units(predicted), reference_units)
        self.count += len(reference_units)

    def compute(self) -> Tensor:
        """Return the edits per reference unit; NaN or infinite if there is no reference unit."""
        return self.edits / self.count

    def _units(self, sequence: Sequence[int] | np.ndarray | Tensor) -> np.ndarray:
        values = sequence.cpu() if isinstance(sequence, Tensor) else sequence
        units = np.asarray(values, dtype=np.int64)
        return deduplicate(units) if self.dedup else units


def edit_distance(predicted: np.ndarray, reference: np.ndarray) -> int:
    """Return the Levenshtein distance between two sequences, (N,) and (M,).

    The usual table is computed row by row; ``row[j]`` is the distance between the units of ``predicted`` so far and the
    first j of ``reference``.
    """
    positions = np.arange(len(reference) + 1)
    row = positions.copy()
    for length, unit in enumerate(predicted, start=1):
        # Deletion of the new unit, or a match or substitution.
        best = np.minimum(row[1:] + 1, row[:-1] + (reference != unit))
        # An insertion costs 1 per position to the right: with the position subtracted from each cell, the cheapest path
        # from the left is a running minimum.
        row = np.minimum.accumulate(np.concatenate([[length], best]) - positions) + positions
    return int(row[-1])
