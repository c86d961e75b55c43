"""Rows of an embedding for tokens it has never seen: initializers named in a recipe."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class EmbeddingInitializer(Protocol):
    """Draws new rows beside old ones."""

    def rows(self, old: Tensor, count: int, initializer_range: float, draw: torch.Generator) -> Tensor:
        """Return (count, D) float32 rows.

        Args:
            old: Rows of the text pieces, (R, D) float32.
            count: New rows.
            initializer_range: Deviation that the network itself was drawn with.
            draw: The only source of randomness.
        """
        ...


@dataclass(frozen=True)
class NormalRows:
    """Independent normal draws of mean 0, as Spirit LM begins its speech tokens.

    Args:
        deviation: The network's own ``initializer_range`` if None.
    """

    deviation: float | None = None

    def __post_init__(self) -> None:
        if self.deviation is not None and self.deviation <= 0:
            raise ValueError(f"deviation must be above 0, got {self.deviation}")

    def rows(self, old: Tensor, count: int, initializer_range: float, draw: torch.Generator) -> Tensor:
        return torch.empty(count, old.shape[1]).normal_(0.0, self.deviation or initializer_range, generator=draw)


@dataclass(frozen=True)
class MatchedRows:
    """Draws of the mean and covariance of the old rows (Hewitt 2021, "Initializing new word embeddings").

    New tokens then begin about as likely as an average text piece, and what the model says of text changes little.

    Args:
        scale: Of the deviation around the mean; 0 puts every new row at the mean.
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.scale < 0:
            raise ValueError(f"scale must not be negative, got {self.scale}")

    def rows(self, old: Tensor, count: int, initializer_range: float, draw: torch.Generator) -> Tensor:
        mean = old.mean(0)
        # A random combination of the centered rows has exactly their covariance, which is never formed nor factored.
        weights = torch.empty(count, len(old)).normal_(generator=draw) * (self.scale / max(1, len(old) - 1) ** 0.5)
        return mean + weights @ (old - mean)
