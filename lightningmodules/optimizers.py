"""Optimizers of the LightningModules; every learning rate is a pure function of the step."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn

from zoo.ranges import LearningRate, NonNegativeInt, PositiveFloat, PositiveInt, PositiveShare, Share, check_ranges


def adamw_with_warmup(
    module: nn.Module,
    learning_rate: float,
    warmup_steps: int,
    total_steps: int,
    final_learning_rate: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.1,
) -> OptimizerLRScheduler:
    """Return AdamW with linear warm-up, then cosine decay over ``total_steps``, in Lightning's dictionary form.

    A run resumed with more steps decays over the new total.

    Args:
        module: Module whose parameters that require gradients are trained.
        learning_rate: Peak learning rate, reached after the warm-up.
        warmup_steps: Steps from zero to the peak.
        total_steps: All steps, warm-up included.
        final_learning_rate: Learning rate at the end; equal to ``learning_rate`` for a constant one.
        betas: Decay rates of the running averages of the gradient and of its square.
        weight_decay: Weight decay of matrices; norms and biases have none.
    """
    part = TrainedPart(module, learning_rate)
    final = final_learning_rate / learning_rate
    return adamw_by_part([part], warmup_steps, total_steps, final, betas, weight_decay)


@dataclass(frozen=True)
class TrainedPart:
    """A part of a network and its learning rate.

    Args:
        module: Module whose parameters that require gradients are trained.
        learning_rate: Peak learning rate, reached after the warm-up.
    """

    module: nn.Module
    learning_rate: float


def adamw_by_part(
    parts: Sequence[TrainedPart],
    warmup_steps: int,
    total_steps: int,
    final_share: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.1,
) -> OptimizerLRScheduler:
    """Return the optimizer and schedule of ``adamw_with_warmup`` for parts with learning rates of their own.

    Args:
        parts: Parts to train. A parameter of several parts belongs to the first of them.
        warmup_steps: Steps from zero to the peak.
        total_steps: All steps, warm-up included.
        final_share: Learning rate at the end, as a share of the peak.
        betas: Decay rates of the running averages of the gradient and of its square.
        weight_decay: Weight decay of matrices; norms and biases have none.
    """

    def scale(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress))

    groups: list[dict[str, Any]] = []
    taken: set[nn.Parameter] = set()
    for part in parts:
        trained = [weight for weight in part.module.parameters() if weight.requires_grad and weight not in taken]
        taken.update(trained)
        matrices = [weight for weight in trained if weight.ndim > 1]
        vectors = [weight for weight in trained if weight.ndim <= 1]
        if matrices:
            groups.append({"params": matrices, "lr": part.learning_rate, "weight_decay": weight_decay})
        if vectors:
            groups.append({"params": vectors, "lr": part.learning_rate, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=parts[0].learning_rate, betas=betas, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@dataclass(frozen=True)
class GANOptimizer:
    """AdamW with an exponentially decaying learning rate, as HiFi-GAN trains generator and discriminators (Kong et al.
    2020).

    Both networks have an optimizer of their own with these settings.

    Args:
        learning_rate: Learning rate after the warm-up, before any decay.
        learning_rate_decay: Factor on the learning rate after every ``decay_every_steps``.
        decay_every_steps: Steps between decays; an epoch in HiFi-GAN.
        warmup_steps: Steps of linear warm-up from zero.
        betas: Decay rates of AdamW's running averages of the gradient and of its square.
        clip_norm: Largest gradient norm of each network; None to leave gradients as they are.
    """

    learning_rate: LearningRate = 2e-4
    learning_rate_decay: PositiveShare = 0.999
    decay_every_steps: PositiveInt = 1000
    warmup_steps: NonNegativeInt = 0
    betas: tuple[Share, Share] = (0.8, 0.99)
    clip_norm: PositiveFloat | None = None

    def __post_init__(self) -> None:
        check_ranges(self)

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of both optimizers at a step of the generator."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        return self.learning_rate * warmup * self.learning_rate_decay ** (step // self.decay_every_steps)

    def adamw(self, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
        """Return AdamW with HiFi-GAN's weight decay of 0.01; training sets its learning rate at every step."""
        return torch.optim.AdamW(parameters, lr=self.learning_rate, betas=self.betas, weight_decay=0.01)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the learning rate of all parameter groups; for manual optimization, where no scheduler is stepped."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
