"""Token rate and bit rate of speech, and codebook usage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from zoo.evaluation.statistics import Estimate, WeightedStatistic, ratio, statistic, weighted_ratio
from zoo.tokens.merged_streams import merge
from zoo.tokens.units import Stream


@dataclass(frozen=True)
class CodebookUsage:
    """Usage of one codebook.

    Args:
        used: Share of the units of the codebook that occur.
        perplexity: Two to the power of the entropy of the tokens.
        entropy_bits: Entropy of a token in bits; tokens are deduplicated if the stream is.
    """

    used: float
    perplexity: float
    entropy_bits: Estimate

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            **self.entropy_bits.named("entropy_bits"),
            "perplexity": round(self.perplexity, 2),
            "used": round(self.used, 4),
        }


@dataclass(frozen=True)
class TokenRates:
    """Token and bit rates of one tokenizer.

    Args:
        tokens_per_second: Deduplicated, merged tokens per second of speech.
        bits_per_second: Bit rate of the merged tokens, with the measured entropy of each stream as bits per token.
        code_bits_per_second: Bit rate of the merged tokens, with log2 of the codebook size as bits per token.
        usage: Codebook usage of each stream, by prefix.
        statistics: The same figures, and the share of each codebook in use, as functions of utterance counts, for a
            joint bootstrap with another tokenizer.
    """

    tokens_per_second: Estimate
    bits_per_second: Estimate
    code_bits_per_second: Estimate
    usage: dict[str, CodebookUsage]
    statistics: dict[str, WeightedStatistic] = field(repr=False, default_factory=dict)

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        codebooks = {}
        for prefix, usage in self.usage.items():
            codebooks[prefix] = usage.report()
        return {
            "tokens_per_second": self.tokens_per_second.named("tokens_per_second"),
            "bits_per_second": self.bits_per_second.named("bits_per_second"),
            "code_bits_per_second": self.code_bits_per_second.named("bits_per_second"),
            "codebooks": codebooks,
        }


def measure_token_rates(
    units: Sequence[Mapping[str, np.ndarray]], seconds: np.ndarray, streams: Sequence[Stream], seed: int = 0
) -> TokenRates:
    """Measure token rate, bit rates and codebook usage of encoded utterances.

    The entropy is that of single tokens, an upper bound on the bits per token of a model that also sees the context.

    Args:
        units: Raw units (T,) by prefix of each utterance.
        seconds: Duration of each utterance in seconds, (n,).
        streams: Streams of the tokenizer.
        seed: Seed of the bootstrap over utterances.
    """
    tokens = [merge(row, streams) for row in units]
    lengths = np.array([len(merged) for merged in tokens])
    counts = {}  # (utterances, size) by stream
    code_bits = np.zeros(len(tokens))
    for stream in streams:
        rows = [np.bincount(merged.of(stream.prefix), minlength=stream.size) for merged in tokens]
        counts[stream.prefix] = np.array(rows)
        code_bits += counts[stream.prefix].sum(1) * np.log2(stream.size)
    bits = partial(_bits_per_second, list(counts.values()), seconds)
    items = range(len(tokens))
    statistics = {
        "tokens_per_second": weighted_ratio(items, lengths, seconds),
        "bits_per_second": WeightedStatistic(items, bits),
        "code_bits_per_second": weighted_ratio(items, code_bits, seconds),
    }
    usage = {}
    for prefix, stream_counts in counts.items():
        usage[prefix] = _usage(stream_counts, seed)
        statistics[f"entropy_{prefix}"] = WeightedStatistic(items, partial(_entropy_of, stream_counts))
        statistics[f"used_{prefix}"] = WeightedStatistic(items, partial(_used_of, stream_counts))
    return TokenRates(
        ratio(lengths, seconds, seed),
        statistic(partial(_of_drawn, bits, len(tokens)), len(tokens), seed),
        ratio(code_bits, seconds, seed),
        usage,
        statistics,
    )


def entropy_bits(counts: np.ndarray) -> float:
    """Return the entropy in bits of the distribution of counts (size,)."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum())


def _bits_per_second(counts: Sequence[np.ndarray], seconds: np.ndarray, weights: np.ndarray) -> float:
    """Compute bits per second from the token counts (utterances, size) of each stream, weighted by utterance."""
    bits = 0.0
    for stream_counts in counts:
        total = weights @ stream_counts
        bits += entropy_bits(total) * total.sum()
    return float(bits / (weights @ seconds))


def _of_drawn(compute: Callable[[np.ndarray], float], num_items: int, drawn: np.ndarray) -> float:
    """Compute a weighted figure of resampled items, whose indices are ``drawn``, with repetitions."""
    return compute(np.bincount(drawn, minlength=num_items).astype(float))


def _entropy_of(counts: np.ndarray, weights: np.ndarray) -> float:
    return entropy_bits(weights @ counts)


def _used_of(counts: np.ndarray, weights: np.ndarray) -> float:
    return float(np.mean(weights @ counts > 0))


def _usage(counts: np.ndarray, seed: int) -> CodebookUsage:
    entropy = statistic(lambda drawn: entropy_bits(counts[drawn].sum(0)), len(counts), seed)
    return CodebookUsage(float(np.mean(counts.sum(0) > 0)), 2.0**entropy.value, entropy)
