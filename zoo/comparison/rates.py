"""How many tokens and bits a second of speech takes, and how much of the codebooks is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.comparison.joint_bootstrap import Sample, sum_over_sum
from zoo.evaluation.statistics import Estimate, ratio, statistic
from zoo.tokens.units import Stream, merge


@dataclass(frozen=True)
class Usage:
    """Of one codebook.

    Args:
        used: Share of its units that occur.
        perplexity: Two to the entropy of the tokens: as many units, equally frequent, would be as hard to guess.
        entropy_bits: Of a token, deduplicated where the stream is.
    """

    used: float
    perplexity: float
    entropy_bits: Estimate

    def report(self) -> dict[str, Any]:
        return {
            **self.entropy_bits.named("entropy_bits"),
            "perplexity": round(self.perplexity, 2),
            "used": round(self.used, 4),
        }


@dataclass(frozen=True)
class Rates:
    """Of one tokenizer.

    Args:
        tokens_per_second: Deduplicated and merged.
        bits_per_second: Of the merged tokens, by the measured entropy of each stream and its tokens in a second.
        code_bits_per_second: The same, each token taking the logarithm of the size of its codebook.
        usage: By stream.
        samples: The same figures, and the share of each codebook in use, of utterances by number: to be drawn again together with another tokenizer's.
    """

    tokens_per_second: Estimate
    bits_per_second: Estimate
    code_bits_per_second: Estimate
    usage: dict[str, Usage]
    samples: dict[str, Sample] = field(repr=False, default_factory=dict)

    def report(self) -> dict[str, Any]:
        return {
            "tokens_per_second": self.tokens_per_second.named("tokens_per_second"),
            "bits_per_second": self.bits_per_second.named("bits_per_second"),
            "code_bits_per_second": self.code_bits_per_second.named("bits_per_second"),
            "codebooks": {name: one.report() for name, one in self.usage.items()},
        }


def measure_rates(
    units: Sequence[Mapping[str, np.ndarray]], seconds: np.ndarray, streams: Sequence[Stream], seed: int = 0
) -> Rates:
    """Count the tokens of utterances.

    The entropy is that of single tokens, so it is an upper bound of what a model that sees those before would need.

    Args:
        units: Raw units (T,) by prefix of each utterance.
        seconds: Length of each, (n,).
        streams: Of the tokenizer.
        seed: Of the bootstrap over utterances.
    """
    tokens = [merge(one, streams) for one in units]
    counts = {
        stream.prefix: np.array([np.bincount(one.of(stream.prefix), minlength=stream.size) for one in tokens])
        for stream in streams
    }
    lengths = np.array([len(one) for one in tokens])
    code_bits = sum(counts[stream.prefix].sum(1) * np.log2(stream.size) for stream in streams)

    def bits(times: np.ndarray) -> float:
        totals = [times @ counts[stream.prefix] for stream in streams]
        return float(sum(entropy_bits(total) * total.sum() for total in totals) / (times @ seconds))

    items = range(len(tokens))
    samples = {
        "tokens_per_second": sum_over_sum(items, lengths, seconds),
        "bits_per_second": Sample(items, bits),
        "code_bits_per_second": sum_over_sum(items, code_bits, seconds),
    }
    for prefix, one in counts.items():
        samples |= {
            f"entropy_{prefix}": Sample(items, lambda times, one=one: entropy_bits(times @ one)),
            f"used_{prefix}": Sample(items, lambda times, one=one: float(np.mean(times @ one > 0))),
        }
    drawn_bits = statistic(
        lambda drawn: bits(np.bincount(drawn, minlength=len(tokens)).astype(float)), len(tokens), seed
    )
    return Rates(
        ratio(lengths, seconds, seed),
        drawn_bits,
        ratio(code_bits, seconds, seed),
        {prefix: _usage(one, seed) for prefix, one in counts.items()},
        samples,
    )


def entropy_bits(counts: np.ndarray) -> float:
    """Entropy in bits of the distribution that counts (size,) show."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum())


def _usage(counts: np.ndarray, seed: int) -> Usage:
    whole = statistic(lambda drawn: entropy_bits(counts[drawn].sum(0)), len(counts), seed)
    return Usage(float(np.mean(counts.sum(0) > 0)), 2.0**whole.value, whole)
