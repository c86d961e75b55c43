"""The optimizers the LightningModules here use; every schedule is a pure function of the step."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def adamw_with_warmup(
    module: nn.Module,
    learning_rate: float,
    warmup_steps: int,
    total_steps: int,
    final_learning_rate: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.95),
    weight_decay: float = 0.1,
) -> dict[str, Any]:
    """AdamW, linear warm-up, then cosine decay over ``total_steps``, in Lightning's dict form.

    A run resumed with more steps decays over the new total.

    Args:
        module: Its parameters that ask for gradients are trained.
        learning_rate: Peak, reached after the warm-up.
        warmup_steps: From zero to the peak.
        total_steps: Warm-up included.
        final_learning_rate: Reached at the end; equal to ``learning_rate`` for a constant one.
        betas: Of the running means.
        weight_decay: Of matrices; norms and biases are not decayed.
    """
    final = final_learning_rate / learning_rate

    def scale(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))

    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, betas=betas, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def adamw_for_gan(
    parameters: Iterable[nn.Parameter], learning_rate: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    """AdamW with HiFi-GAN's small memory and weight decay of 0.01; its rate is set at every step by the module.

    Args:
        parameters: Trained.
        learning_rate: At the start.
        betas: Of the running means.
    """
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, weight_decay=0.01)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the rate of all groups; for manual optimization, where no scheduler is stepped."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
