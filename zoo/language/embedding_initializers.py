"""Initializers of the embedding rows of tokens that a network has not been trained on."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from zoo.language.embedding_rows import embedding_weights, text_config
from zoo.ranges import InitialDeviation, NonNegativeFloat, check_ranges
from zoo.tokens.vocabulary import Vocabulary

# Names that configurations give the standard deviation of their initial weights, and the default of most of them.
DEVIATION_NAMES = ("initializer_range", "init_std")
DEFAULT_DEVIATION = 0.02


class DrawnRows(ABC):
    """Base class of initializers that draw the rows of embedding and head independently of each other."""

    @torch.no_grad()
    def initialize(self, network: PreTrainedModel, vocabulary: Vocabulary, generator: torch.Generator) -> None:
        num_text = vocabulary.num_text
        for weight in embedding_weights(network):
            text_rows = weight[:num_text].float().cpu()
            rows = self.draw(text_rows, len(weight) - num_text, initial_deviation(network), generator)
            weight[num_text:] = rows.to(weight)

    @abstractmethod
    def draw(self, text_rows: Tensor, count: int, initializer_range: float, generator: torch.Generator) -> Tensor:
        """Return ``count`` new rows, (count, D) float32.

        Args:
            text_rows: Trained rows of the text tokens, (R, D) float32.
            count: Number of new rows.
            initializer_range: Standard deviation of the network's own initial weights.
            generator: Source of all random numbers, on the CPU.
        """


def initial_deviation(network: PreTrainedModel) -> float:
    """Return the standard deviation of a network's initial weights, 0.02 if its configuration has none."""
    config = text_config(network)
    for name in DEVIATION_NAMES:
        value = getattr(config, name, None)
        if value is not None:
            return float(value)
    return DEFAULT_DEVIATION


@dataclass(frozen=True)
class NormalRows(DrawnRows):
    """Independent normal draws with mean 0, as Spirit LM initializes its speech tokens.

    Args:
        deviation: Standard deviation, above 0. Defaults to the network's own ``initializer_range``.

    Raises:
        ValueError: If ``deviation`` is not above 0.
    """

    deviation: InitialDeviation | None = None

    def __post_init__(self) -> None:
        if self.deviation is not None and self.deviation <= 0:
            raise ValueError(f"deviation must be above 0, got {self.deviation}")
        check_ranges(self)

    def draw(self, text_rows: Tensor, count: int, initializer_range: float, generator: torch.Generator) -> Tensor:
        deviation = self.deviation or initializer_range
        return torch.empty(count, text_rows.shape[1]).normal_(0.0, deviation, generator=generator)


@dataclass(frozen=True)
class MatchedRows(DrawnRows):
    """Normal draws with the mean and covariance of the text rows (Hewitt 2021, "Initializing new word embeddings").

    Before training, a new token is then about as likely as an average text token, and the predictions for text change
    little.

    Args:
        scale: Factor on the deviation from the mean, not negative; at 0, every new row is the mean.

    Raises:
        ValueError: If ``scale`` is negative.
    """

    scale: NonNegativeFloat = 1.0

    def __post_init__(self) -> None:
        if self.scale < 0:
            raise ValueError(f"scale must not be negative, got {self.scale}")
        check_ranges(self)

    def draw(self, text_rows: Tensor, count: int, initializer_range: float, generator: torch.Generator) -> Tensor:
        mean = text_rows.mean(0)
        # A random combination of the centered rows has exactly their covariance: X^T w with w ~ N(0, I / (R - 1)).
        # The covariance (D, D) itself is never computed or factorized.
        num_rows = len(text_rows)
        weights = torch.empty(count, num_rows).normal_(generator=generator) * (self.scale / max(1, num_rows - 1) ** 0.5)
        return mean + weights @ (text_rows - mean)
