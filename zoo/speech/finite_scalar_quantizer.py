"""Finite scalar quantization (Mentzer et al. 2023): each of a few numbers is rounded to a few levels."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.ranges import NumUnits, Size
from zoo.speech.bottleneck import Bottleneck, Bottlenecked

SHRINK = 1e-3  # keeps the outermost levels away from the limits of tanh
SPREAD = 1.0  # standard deviation, before tanh, of the projected latents at the start


class FiniteScalarQuantizer(Bottleneck):
    """Latents are projected to a few numbers, each of which is bounded by tanh and rounded to one of its levels.

    Every combination of levels is a unit, so that no codebook is learned and no loss is needed for its use. The
    rounding passes the gradient on as if it were not there. The projections are initialized by the principal components
    of the latents.

    Args:
        levels: Number of levels of each number, at least 2 each; the number of units is their product. Mentzer et al.
            advise 5 or more: [8, 5, 5, 5] for 1000 units, [8, 8, 8] for 512.
        dim: Width of a latent, at least the number of ``levels``.

    Raises:
        ValueError: If there are no levels, a number of levels is below 2, or there are more numbers than ``dim``.
    """

    num_levels: Tensor
    fitted: Tensor

    def __init__(self, levels: Sequence[NumUnits], dim: Size) -> None:
        super().__init__()
        if not levels or min(levels) < 2 or len(levels) > dim:
            raise ValueError(f"levels {list(levels)}: want at least one, at most dim={dim}, of 2 or more each")
        self.levels = tuple(levels)
        self.size = math.prod(levels)
        self.dim = dim
        self.project_in = nn.Linear(dim, len(levels))
        self.project_out = nn.Linear(len(levels), dim)
        self.register_buffer("num_levels", torch.tensor(self.levels), persistent=False)
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def bound(self, values: Tensor) -> Tensor:
        """Bound numbers so that they round to the levels, which are integers around 0: (..., D) -> (..., D)."""
        half_range = (self.num_levels - 1) * (1 - SHRINK) / 2
        # An even number of levels is not symmetric around 0: levels -2 to 1, for instance.
        offset = torch.where(self.num_levels % 2 == 0, 0.5, 0.0)
        shift = torch.atanh(offset / half_range)
        return torch.tanh(values + shift) * half_range - offset

    def indices(self, levels: Tensor) -> Tensor:
        """Return the unit of each combination of levels, integers around 0: (..., D) -> (...) int64."""
        unit = torch.zeros(levels.shape[:-1], dtype=torch.int64, device=levels.device)
        for number, count in enumerate(self.levels):
            unit = unit * count + (levels[..., number].long() + count // 2)
        return unit

    def levels_of(self, units: Tensor) -> Tensor:
        """Return the levels of each unit, the inverse of ``indices``: (...) -> (..., D) float."""
        levels = []
        for count in reversed(self.levels):
            levels.append(units % count - count // 2)
            units = units // count
        return torch.stack(levels[::-1], dim=-1).to(self.project_in.weight.dtype)

    def forward(self, latents: Tensor) -> Bottlenecked:
        bounded = self.bound(self.project_in(latents))
        rounded = bounded + (bounded.round() - bounded).detach()
        codes = self.project_out(rounded / (self.num_levels // 2))
        return Bottlenecked(self.indices(rounded.detach().round()), codes, latents.new_zeros(()), 0)

    def units(self, latents: Tensor) -> Tensor:
        return self.indices(self.bound(self.project_in(latents)).round())

    def log_probs(self, latents: Tensor) -> Tensor:
        bounded = self.bound(self.project_in(latents))
        levels = self.levels_of(torch.arange(self.size, device=latents.device))  # (size, D)
        return (-torch.cdist(bounded, levels).square()).log_softmax(-1)

    @torch.no_grad()
    def initialize(self, latents: Tensor, batch_size: float, seed: int) -> None:
        rows = latents.double().cpu()
        if len(rows) <= self.dim:
            raise ValueError(f"{len(rows)} frames are too few for latents of width {self.dim}: give more speech")
        mean = rows.mean(0)
        variances, directions = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        first = directions[:, -len(self.levels) :].flip(1).T  # (D, dim), the largest variance first
        scale = SPREAD / variances[-len(self.levels) :].flip(0).clamp(min=1e-12).sqrt()
        weight = scale[:, None] * first
        self.project_in.weight.copy_(weight)
        self.project_in.bias.copy_(-weight @ mean)
        codes = self.bound(self.project_in(latents)).round() / (self.num_levels // 2)
        inputs = torch.cat([codes.double().cpu(), torch.ones(len(rows), 1, dtype=torch.float64)], dim=1)
        solution = torch.linalg.lstsq(inputs, rows, driver="gelsd").solution  # (D + 1, dim)
        self.project_out.weight.copy_(solution[:-1].T)
        self.project_out.bias.copy_(solution[-1])
        self.fitted.fill_(True)

    @property
    def is_initialized(self) -> bool:
        return bool(self.fitted)

    def config(self) -> dict[str, Any]:
        return {"levels": list(self.levels), "dim": self.dim}
