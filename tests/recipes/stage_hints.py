"""A callable whose annotations are text, one of them known to type checkers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from somewhere import Unknown


def deferred(model: torch.nn.Module, size: int | None, unknown: Unknown) -> None:
    pass
