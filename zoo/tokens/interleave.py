"""Samplers of the word boundaries at which an interleaved utterance switches between text and speech."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from zoo.ranges import OptionalSeconds, PositiveFloat, PositiveShare, Probability, Seconds, Size, check_ranges


class SpanSampler(Protocol):
    """Samples the ends of spans; the caller draws the modality of the first span, with equal probabilities."""

    def sample_cuts(
        self, word_ends: np.ndarray, starts_with_speech: bool, generator: np.random.Generator
    ) -> np.ndarray:
        """Return the index after the last word of each span, (num_spans,); the last entry equals the number of words.

        Args:
            word_ends: End of each word in seconds, (num_words,).
            starts_with_speech: Whether the first span is speech; spans alternate in modality.
            generator: Source of all random choices.
        """
        ...


def _alternate(num_words: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Turn sampled span lengths into cuts, (num_spans,).

    Args:
        num_words: Number of words in the utterance; spans that start after the last word are dropped.
        first: Lengths of the first, third, ... span in words, (N,).
        second: Lengths of the second, fourth, ... span in words, (N,).
    """
    lengths = np.empty(2 * len(first), dtype=np.int64)
    lengths[0::2] = first
    lengths[1::2] = second
    cuts = np.cumsum(lengths)
    # The span in which the utterance ends is shortened to end with its last word.
    return np.append(cuts[cuts < num_words], num_words)


def _alternate_modalities(num_words: int, text: np.ndarray, speech: np.ndarray, starts_with_speech: bool) -> np.ndarray:
    """Turn lengths of text spans and of speech spans, (N,) each, into cuts, (num_spans,)."""
    if starts_with_speech:
        return _alternate(num_words, speech, text)
    return _alternate(num_words, text, speech)


@dataclass(frozen=True)
class UniformSpans:
    """Spans whose number of words is uniformly distributed, as in Spirit LM (section 3.2 of the paper).

    Args:
        text_words: Fewest and most words of a text span.
        speech_words: Fewest and most words of a speech span.
    """

    text_words: tuple[Size, Size] = (10, 30)
    speech_words: tuple[Size, Size] = (5, 15)

    def __post_init__(self) -> None:
        for name in ("text_words", "speech_words"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name}: want 1 <= fewest <= most, got {[low, high]}")
        check_ranges(self)

    def sample_cuts(
        self, word_ends: np.ndarray, starts_with_speech: bool, generator: np.random.Generator
    ) -> np.ndarray:
        # A pair of spans has at least text_words[0] + speech_words[0] words, so this many pairs cover the utterance.
        num_pairs = len(word_ends) // (self.text_words[0] + self.speech_words[0]) + 1
        text = generator.integers(self.text_words[0], self.text_words[1] + 1, num_pairs)
        speech = generator.integers(self.speech_words[0], self.speech_words[1] + 1, num_pairs)
        return _alternate_modalities(len(word_ends), text, speech, starts_with_speech)


@dataclass(frozen=True)
class PoissonSpans:
    """Spans whose number of words is Poisson distributed, and at least 1, as in slamkit.

    Args:
        mean_words: Mean number of words of a span, over both modalities.
        speech_ratio: Expected share of the words that is in speech spans, above 0 and below 1.
    """

    mean_words: PositiveFloat = 10.0
    speech_ratio: PositiveShare = 0.3

    def __post_init__(self) -> None:
        if self.mean_words <= 0 or not 0 < self.speech_ratio < 1:
            raise ValueError(f"want mean_words > 0 and 0 < speech_ratio < 1, got {self}")
        check_ranges(self)

    def sample_cuts(
        self, word_ends: np.ndarray, starts_with_speech: bool, generator: np.random.Generator
    ) -> np.ndarray:
        # A pair of a text span and a speech span has 2 * mean_words words on average.
        speech_mean = 2 * self.mean_words * self.speech_ratio
        text_mean = 2 * self.mean_words * (1 - self.speech_ratio)
        speech = np.maximum(1, generator.poisson(speech_mean, len(word_ends)))
        text = np.maximum(1, generator.poisson(text_mean, len(word_ends)))
        return _alternate_modalities(len(word_ends), text, speech, starts_with_speech)


@dataclass(frozen=True)
class BinomialSpans:
    """Spans of max(1, Binomial(trials, probability)) words in both modalities.

    Args:
        trials: Most words of a span.
        probability: Probability of each trial; ``trials * probability`` is about the mean number of words.
    """

    trials: Size = 39
    probability: Probability = 0.1

    def __post_init__(self) -> None:
        if self.trials < 1 or not 0 <= self.probability <= 1:
            raise ValueError(f"want trials >= 1 and 0 <= probability <= 1, got {self}")
        check_ranges(self)

    def sample_cuts(
        self, word_ends: np.ndarray, starts_with_speech: bool, generator: np.random.Generator
    ) -> np.ndarray:
        lengths = np.maximum(1, generator.binomial(self.trials, self.probability, (2, len(word_ends))))
        return _alternate(len(word_ends), lengths[0], lengths[1])


@dataclass(frozen=True)
class TimedSpans:
    """Spans whose duration is normally distributed, clipped at two standard deviations from the mean.

    Each cut is moved to the nearest end of a word.

    Args:
        mean_seconds: Mean length of a span, in seconds.
        deviation_seconds: Standard deviation of the length of a span, in seconds; less than half of ``mean_seconds``,
            so that no span has a negative length.
    """

    mean_seconds: Seconds = 10.0
    deviation_seconds: OptionalSeconds = 2.0

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.deviation_seconds < self.mean_seconds:
            raise ValueError(f"want 0 <= deviation_seconds < mean_seconds / 2, got {self}")
        check_ranges(self)

    def sample_cuts(
        self, word_ends: np.ndarray, starts_with_speech: bool, generator: np.random.Generator
    ) -> np.ndarray:
        # No span is shorter than the mean less two deviations, so this many spans cover the utterance.
        max_spans = math.ceil(word_ends[-1] / (self.mean_seconds - 2 * self.deviation_seconds)) + 1
        deviations = np.clip(generator.standard_normal(max_spans), -2, 2)
        cut_times = np.cumsum(self.mean_seconds + self.deviation_seconds * deviations)
        distances = np.abs(word_ends[None] - cut_times[:, None])  # (max_spans, num_words)
        # Several cuts may be moved to the same word end; np.unique merges them.
        cuts = np.unique(distances.argmin(axis=1) + 1)
        return np.append(cuts[cuts < len(word_ends)], len(word_ends))
