"""A training whose loss stays infinite or NaN stops with an error, under automatic and manual optimization."""

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from lightningmodules.finite_loss import FiniteLoss


class Loss(L.LightningModule):
    """Has a given loss at every batch.

    Args:
        losses: Loss of each batch.
        is_manual: Whether the module takes its steps itself.
    """

    def __init__(self, losses: list[float], is_manual: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.losses = losses
        self.automatic_optimization = not is_manual

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor | None:
        loss = self.weight + self.losses[batch_idx]
        self.log("train/loss", loss.detach())
        return loss if self.automatic_optimization else None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def train(losses: list[float], is_manual: bool, max_batches: int = 3) -> int:
    """Train on the losses, and return the number of batches that were seen."""
    callback = FiniteLoss(max_batches)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Loss(losses, is_manual), DataLoader(torch.zeros(len(losses))))
    return callback.num_seen


every_kind = pytest.mark.parametrize("is_manual", [False, True], ids=["automatic", "manual"])
NAN = float("nan")


@every_kind
@pytest.mark.parametrize("losses", [[1.0] + 5 * [NAN], 6 * [float("inf")], [1.0, 1.0, NAN, NAN, NAN]])
def test_a_loss_that_stays_infinite_or_nan_stops_training(losses, is_manual):
    with pytest.raises(ValueError, match="the training loss is infinite or NaN since .* lower the learning rate"):
        train(losses, is_manual)


@every_kind
def test_a_training_shorter_than_the_patience_is_checked_at_its_end(is_manual):
    with pytest.raises(ValueError, match="since 2 batches"):
        train([NAN, NAN], is_manual, max_batches=25)


@every_kind
def test_single_batches_without_a_finite_loss_are_passed_over(is_manual):
    assert train([NAN, 1.0, NAN, NAN, 1.0, 1.0, NAN], is_manual) == 7
