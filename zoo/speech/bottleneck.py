"""Bottlenecks that turn latents into units: the interface, and a codebook of running means."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.ranges import NonNegativeFloat, NumUnits, Share, Size
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.vector_quantizer import EMACodebook

KMEANS_PASSES = 10
KMEANS_BATCH = 8192  # latents


@dataclass(frozen=True)
class Bottlenecked:
    """Result of passing latents (N, dim) through a bottleneck.

    Args:
        units: Unit of each latent, (N,) int64.
        codes: Values of the units, (N, dim), through which the gradient reaches the latents.
        commitment: Loss that keeps latents near their codes, a scalar; 0 if the bottleneck needs none.
        reseeded: Number of codes that were re-seeded since too few latents used them.
    """

    units: Tensor
    codes: Tensor
    commitment: Tensor
    reseeded: int


class Bottleneck(nn.Module, ABC):
    """Interface of the bottlenecks of supervised units.

    Attributes:
        size: Number of units.
        dim: Width of a latent.
    """

    size: int
    dim: int

    @abstractmethod
    def forward(self, latents: Tensor) -> Bottlenecked:
        """Pass latents (N, dim), without padding; in training mode, codes may be updated."""

    @abstractmethod
    def units(self, latents: Tensor) -> Tensor:
        """Return the unit of each latent: (..., dim) -> (...) int64."""

    @abstractmethod
    def log_probs(self, latents: Tensor) -> Tensor:
        """Return log-probabilities of the units, largest for ``units``: (..., dim) -> (..., size)."""

    @abstractmethod
    def initialize(self, latents: Tensor, batch_size: float, seed: int) -> None:
        """Fit the bottleneck to latents before training.

        Args:
            latents: Latents of training speech, (N, dim).
            batch_size: Mean number of latents in a batch of the training that follows.
            seed: Seed of all random choices.

        Raises:
            ValueError: If there are fewer latents than the fit needs.
        """

    @property
    @abstractmethod
    def is_initialized(self) -> bool:
        """Whether ``initialize`` was called, now or before the weights were saved."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, as JSON can express them."""


class VectorQuantizer(Bottleneck):
    """Codebook whose codes are running means of the latents nearest to them (van den Oord et al. 2017).

    The codes are initialized by k-means. A code that too few latents use is re-seeded with a latent of the batch.

    Args:
        size: Number of units.
        dim: Width of a latent.
        decay: Decay of the running means per batch.
        min_usage: Running mean of the number of latents per batch below which a code is re-seeded.
    """

    mean_distance: Tensor

    def __init__(self, size: NumUnits, dim: Size, decay: Share = 0.99, min_usage: NonNegativeFloat = 0.1) -> None:
        super().__init__()
        self.size = size
        self.dim = dim
        self.codebook = EMACodebook(size, dim, decay, min_usage)
        self.register_buffer("mean_distance", torch.ones(()))  # mean squared distance to the nearest code, at the start

    def forward(self, latents: Tensor) -> Bottlenecked:
        quantized = self.codebook(latents.T[None])
        # Relative to the distance at the start, so that the weight of the loss does not depend on the scale of latents.
        commitment = quantized.commitment * self.dim / self.mean_distance
        return Bottlenecked(quantized.units[0], quantized.latents[0].T, commitment, quantized.replaced)

    def units(self, latents: Tensor) -> Tensor:
        rows = latents.reshape(-1, self.dim)
        return self.codebook.nearest(rows.T[None])[0].reshape(latents.shape[:-1])

    def log_probs(self, latents: Tensor) -> Tensor:
        return (-torch.cdist(latents, self.codebook.codes).square() / self.mean_distance).log_softmax(-1)

    @torch.no_grad()
    def initialize(self, latents: Tensor, batch_size: float, seed: int) -> None:
        rows = latents.float().cpu()
        fit = fit_kmeans(_shuffled(rows, seed), self.size, seed)
        shares = torch.bincount(fit.quantizer.nearest(rows), minlength=self.size) / len(rows)
        codes = fit.quantizer.centroids.to(self.codebook.codes)
        self.codebook.set_codes(codes, (batch_size * shares).to(codes))
        self.mean_distance.copy_(fit.quantizer.mean_distance.clamp(min=1e-6))

    @property
    def is_initialized(self) -> bool:
        return bool(self.codebook.usage.any())

    def config(self) -> dict[str, Any]:
        codebook = self.codebook.config()
        return {name: codebook[name] for name in ("size", "dim", "decay", "min_usage")}


def _shuffled(latents: Tensor, seed: int) -> Iterator[Tensor]:
    """Yield batches of latents (N, dim) in several passes, each in a new order."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(KMEANS_PASSES):
        yield from latents[torch.randperm(len(latents), generator=generator)].split(KMEANS_BATCH)
