"""Cross entropy of a language model by modality."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ModalityLoss(Metric):
    """Mean cross entropy of the tokens of one modality in nats per token, over all batches and processes."""

    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, losses: Tensor, mask: Tensor) -> None:
        """Add the losses (B, T) of a batch where ``mask`` (B, T), bool, is true: the tokens of the modality."""
        self.total += losses.detach()[mask].double().sum()
        self.count += mask.sum()

    def compute(self) -> Tensor:
        """Return the mean loss; NaN if there is no token."""
        return (self.total / self.count).float()
