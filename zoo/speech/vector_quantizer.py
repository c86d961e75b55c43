"""Vector quantization with a codebook of running means (van den Oord et al. 2017)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import NonNegativeFloat, NumUnits, Share, Size


@dataclass(frozen=True)
class Quantized:
    """Result of quantizing latents (B, dim, T).

    Args:
        units: Index of the nearest code of each latent, (B, T).
        latents: The codes, (B, dim, T), with a straight-through gradient: the encoder receives the gradient as if the
            codes were its output.
        commitment: Mean squared distance of the latents from their codes, a scalar.
        replaced: Number of codes that were re-seeded.
    """

    units: Tensor
    latents: Tensor
    commitment: Tensor
    replaced: int


class EMACodebook(nn.Module):
    """Codebook of exponential moving averages: each code averages the latents that are nearest to it.

    A code to which too few latents are assigned is replaced by a random latent of the batch, so that no code stays
    unused. All codes are initialized from latents of the first training batch.

    Args:
        size: Number of codes.
        dim: Width of a code.
        decay: Decay of the moving averages per batch.
        min_usage: Moving average of the number of latents per batch below which a code is re-seeded.
    """

    codes: Tensor
    sums: Tensor
    usage: Tensor

    def __init__(
        self, size: NumUnits = 64, dim: Size = 128, decay: Share = 0.99, min_usage: NonNegativeFloat = 1.0
    ) -> None:
        super().__init__()
        self.size = size
        self.dim = dim
        self.decay = decay
        self.min_usage = min_usage
        # codes = sums / usage, the moving averages of the sum and of the number of latents assigned to each code.
        self.register_buffer("codes", torch.randn(size, dim))
        self.register_buffer("sums", torch.zeros(size, dim))
        self.register_buffer("usage", torch.zeros(size))  # 0 everywhere: not seeded yet

    def nearest(self, latents: Tensor) -> Tensor:
        """Return the index of the nearest code of each latent: (B, dim, T) to (B, T)."""
        rows = latents.transpose(1, 2)
        # Squared distances without the squared norm of the latent, which is the same for all codes.
        return (self.codes.square().sum(1) - 2 * rows @ self.codes.T).argmin(-1)

    def look_up(self, units: Tensor) -> Tensor:
        """Return the codes of units: (B, T) to (B, dim, T)."""
        return F.embedding(units, self.codes).transpose(1, 2)

    def forward(self, latents: Tensor) -> Quantized:
        """Quantize latents (B, dim, T); in training mode, also update the codes."""
        replaced = 0
        with torch.no_grad():
            rows = latents.transpose(1, 2).flatten(0, 1).to(self.codes.dtype)  # (B * T, dim)
            if self.training and not self.usage.any():
                self.set_codes(self._sample_latents(rows, self.size))
            units = self.nearest(latents)
            codes = self.look_up(units)
            if self.training:
                replaced = self._update(rows, units.flatten())
        commitment = F.mse_loss(latents, codes)
        return Quantized(units, latents + (codes - latents).detach(), commitment, replaced)

    def set_codes(self, codes: Tensor, usage: Tensor | None = None) -> None:
        """Replace all codes, from which training may continue.

        Args:
            codes: The codes, (size, dim).
            usage: Number of latents per batch that are assigned to each code, (size,); at least ``min_usage`` is
                assumed, and exactly that if None.
        """
        self.codes.copy_(codes)
        self.usage.fill_(self.min_usage)
        if usage is not None:
            self.usage.copy_(usage.clamp(min=self.min_usage))
        self.sums.copy_(self.codes * self.usage[:, None])

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments."""
        return {"size": self.size, "dim": self.dim, "decay": self.decay, "min_usage": self.min_usage}

    def _update(self, latents: Tensor, units: Tensor) -> int:
        """Update the moving averages and return the number of re-seeded codes.

        Args:
            latents: Latents of the batch, (N, dim).
            units: Index of the nearest code of each latent, (N,).
        """
        counts = torch.bincount(units, minlength=self.size).to(latents.dtype)
        self.sums.mul_(self.decay).index_add_(0, units, latents, alpha=1 - self.decay)
        self.usage.mul_(self.decay).add_(counts, alpha=1 - self.decay)
        self.codes.copy_(self.sums / self.usage.clamp(min=1e-6)[:, None])
        unused = (self.usage < self.min_usage).nonzero()[:, 0]
        if len(unused):
            self.codes[unused] = self._sample_latents(latents, len(unused))
            self.sums[unused] = self.codes[unused] * self.min_usage
            self.usage[unused] = self.min_usage
        return len(unused)

    def _sample_latents(self, latents: Tensor, count: int) -> Tensor:
        """Draw latents (count, dim) of a batch (N, dim) without replacement; if N < count, repeat them with noise."""
        num_rounds = -(-count // len(latents))
        orders = [torch.randperm(len(latents), device=latents.device) for _ in range(num_rounds)]
        order = torch.cat(orders)[:count]
        # The noise is drawn even if it is not used, so that the random generator advances equally in either case.
        noise = 0.01 * latents.std() * torch.randn(count, self.dim, device=latents.device)
        if count > len(latents):
            return latents[order] + noise
        return latents[order]
