"""Stop a training whose loss is no longer a number."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

MAX_BATCHES = 25
REMEDY = "lower the learning rate or clip gradients, and run the stage again with --again"


class FiniteLoss(L.Callback):
    """Raises an error when the training loss has not been finite for ``max_batches`` batches, or at the end.

    Single batches without a finite loss are left to the modules, which may skip them. The loss is looked at every
    ``max_batches`` batches only, so that a GPU does not wait for it at every step.

    Args:
        max_batches: Batches in a row without a finite loss after which training stops.

    Raises:
        ValueError: The loss stays infinite or NaN.
    """

    def __init__(self, max_batches: int = MAX_BATCHES) -> None:
        self.max_batches = max_batches
        self.num_seen = 0
        self.in_a_row: Tensor | None = None  # latest batches without a finite loss, on the device of the loss

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if not isinstance(loss, Tensor):  # a module that takes its steps itself logs the loss
            loss = trainer.callback_metrics.get("train/loss")
        if not isinstance(loss, Tensor):
            return
        before = torch.zeros((), dtype=torch.int64, device=loss.device) if self.in_a_row is None else self.in_a_row
        self.in_a_row = torch.where(loss.detach().isfinite().all(), 0, before.to(loss.device) + 1)
        self.num_seen += 1
        if self.num_seen % self.max_batches == 0:
            self._check(trainer, self.max_batches)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.num_seen:
            self._check(trainer, min(self.max_batches, self.num_seen))

    def _check(self, trainer: L.Trainer, max_batches: int) -> None:
        if self.in_a_row is None or int(self.in_a_row) < max_batches:
            return
        raise ValueError(
            f"the training loss is infinite or NaN since {int(self.in_a_row)} batches, at step {trainer.global_step}: "
            f"{REMEDY}"
        )
