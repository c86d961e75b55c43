"""How evenly units are used."""

import torch
from torch import Tensor
from torchmetrics import Metric


class UnitPerplexity(Metric):
    """Exponential of the entropy of the units: how many would be as rich if all were equally likely.

    Args:
        size: Units are 0 to ``size`` - 1.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.add_state("counts", torch.zeros(size, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, units: Tensor) -> None:
        """Add units of any shape."""
        self.counts += torch.bincount(units.flatten(), minlength=self.size)

    def compute(self) -> Tensor:
        share = self.counts / self.counts.sum()
        return torch.exp(-torch.special.xlogy(share, share).sum())

    @property
    def used(self) -> int:
        """Different units so far, in this process."""
        return int((self.counts > 0).sum())
