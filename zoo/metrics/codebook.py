"""How evenly a codebook is used."""

import torch
from torch import Tensor
from torchmetrics import Metric


class CodebookPerplexity(Metric):
    """Exponential of the entropy of the units, over a corpus: so many units, used alike, would tell as much.

    Args:
        size: Number of units.
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
        return torch.special.entr(share).sum().exp()

    @property
    def used(self) -> int:
        """Units that occur at all."""
        return int((self.counts > 0).sum())
