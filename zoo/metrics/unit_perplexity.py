"""Perplexity of units, a measure of codebook usage."""

import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.ranges import NumUnits


class UnitPerplexity(Metric):
    """Exponential of the entropy of units: the number of equally frequent units that would have the same entropy.

    Args:
        size: Number of units in the codebook; units are 0 to ``size`` - 1.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    counts: Tensor

    def __init__(self, size: NumUnits) -> None:
        super().__init__()
        self.size = size
        self.add_state("counts", torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, units: Tensor) -> None:
        """Add units, int64 of any shape."""
        self.counts += torch.bincount(units.flatten(), minlength=self.size)

    def compute(self) -> Tensor:
        """Return the perplexity, between 1 and ``size``."""
        shares = self.counts / self.counts.sum()
        return torch.special.entr(shares).sum().exp()

    @property
    def used(self) -> int:
        """Number of different units that occurred, in this process."""
        return int((self.counts > 0).sum())
