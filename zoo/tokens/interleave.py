"""Where an utterance switches between text and speech: span samplers, always at word boundaries."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class SpanSampler(Protocol):
    """Draws the ends of spans; which modality starts is drawn apart, each with probability one half."""

    def cut(self, ends: np.ndarray, starts_with_speech: bool, draw: np.random.Generator) -> np.ndarray:
        """Return the last word of each span plus one, alternating in modality, the last entry being all words.

        Args:
            ends: End of each word in seconds, (words,).
            starts_with_speech: Modality of the first span.
            draw: The only source of randomness.
        """
        ...


def _alternate(num_words: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    lengths = np.empty(2 * len(first), dtype=np.int64)
    lengths[0::2], lengths[1::2] = first, second
    cuts = np.cumsum(lengths)
    return np.append(cuts[cuts < num_words], num_words)


@dataclass(frozen=True)
class UniformSpans:
    """Spans of uniformly many words, as in Spirit LM (section 3.2 of its paper gives the ranges).

    Args:
        text_words: Fewest and most words of a text span.
        speech_words: Fewest and most words of a speech span.
    """

    text_words: tuple[int, int] = (10, 30)
    speech_words: tuple[int, int] = (5, 15)

    def __post_init__(self) -> None:
        for name in ("text_words", "speech_words"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name}: want 1 <= fewest <= most, got {[low, high]}")

    def cut(self, ends: np.ndarray, starts_with_speech: bool, draw: np.random.Generator) -> np.ndarray:
        pairs = len(ends) // (self.text_words[0] + self.speech_words[0]) + 1
        text = draw.integers(self.text_words[0], self.text_words[1] + 1, pairs)
        speech = draw.integers(self.speech_words[0], self.speech_words[1] + 1, pairs)
        return _alternate(len(ends), *((speech, text) if starts_with_speech else (text, speech)))


@dataclass(frozen=True)
class PoissonSpans:
    """Spans of Poisson-many words (at least one), speech being a share of all words, as in slamkit.

    Args:
        mean_words: Mean of a pair of spans halved.
        speech_ratio: Share of words that are spoken, above 0 and below 1.
    """

    mean_words: float = 10.0
    speech_ratio: float = 0.3

    def __post_init__(self) -> None:
        if self.mean_words <= 0 or not 0 < self.speech_ratio < 1:
            raise ValueError(f"want mean_words > 0 and 0 < speech_ratio < 1, got {self}")

    def cut(self, ends: np.ndarray, starts_with_speech: bool, draw: np.random.Generator) -> np.ndarray:
        speech = np.maximum(1, draw.poisson(2 * self.mean_words * self.speech_ratio, len(ends)))
        text = np.maximum(1, draw.poisson(2 * self.mean_words * (1 - self.speech_ratio), len(ends)))
        return _alternate(len(ends), *((speech, text) if starts_with_speech else (text, speech)))


@dataclass(frozen=True)
class BinomialSpans:
    """Spans of max(1, Binomial(trials, probability)) words in both modalities.

    Args:
        trials: Most words of a span.
        probability: ``trials * probability`` is about the mean.
    """

    trials: int = 39
    probability: float = 0.1

    def __post_init__(self) -> None:
        if self.trials < 1 or not 0 <= self.probability <= 1:
            raise ValueError(f"want trials >= 1 and 0 <= probability <= 1, got {self}")

    def cut(self, ends: np.ndarray, starts_with_speech: bool, draw: np.random.Generator) -> np.ndarray:
        words = np.maximum(1, draw.binomial(self.trials, self.probability, (2, len(ends))))
        return _alternate(len(ends), words[0], words[1])


@dataclass(frozen=True)
class TimedSpans:
    """Cuts at the word end nearest to about every so many seconds, normally distributed and truncated at two deviations.

    Args:
        mean_seconds: Between cuts.
        deviation_seconds: Of that distance; under half of its mean, so that each cut is later than the one before.
    """

    mean_seconds: float = 10.0
    deviation_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.deviation_seconds < self.mean_seconds:
            raise ValueError(f"want 0 <= deviation_seconds < mean_seconds / 2, got {self}")

    def cut(self, ends: np.ndarray, starts_with_speech: bool, draw: np.random.Generator) -> np.ndarray:
        count = math.ceil(ends[-1] / (self.mean_seconds - 2 * self.deviation_seconds)) + 1
        steps = self.mean_seconds + self.deviation_seconds * np.clip(draw.standard_normal(count), -2, 2)
        cuts = np.unique(np.abs(ends[None] - np.cumsum(steps)[:, None]).argmin(axis=1) + 1)
        return np.append(cuts[cuts < len(ends)], len(ends))
