"""Figures with 95% intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Z = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A figure and what it could as well have been.

    Args:
        value: The figure.
        low: Lower end of its 95% interval.
        high: Upper end.
        n: Independent items it is made of.
    """

    value: float
    low: float
    high: float
    n: int

    def named(self, name: str) -> dict[str, float | list[float] | int]:
        """As it stands in a report, with four decimals."""
        return {name: round(self.value, 4), "interval": [round(self.low, 4), round(self.high, 4)], "n": self.n}

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def proportion(hits: np.ndarray) -> Estimate:
    """Share of hits (n,), ties given as one half, with Wilson's score interval.

    Raises:
        ValueError: Where there is no item.
    """
    n = len(hits)
    if not n:
        raise ValueError("no items to score")
    p = float(np.mean(hits))
    center, spread = p + Z**2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low, high = (center - spread) / (1 + Z**2 / n), (center + spread) / (1 + Z**2 / n)
    return Estimate(p, max(0.0, float(low)), min(1.0, float(high)), n)


def ratio(numerators: np.ndarray, denominators: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Sum over sum, such as errors over words by utterance (n,), with a percentile bootstrap over the items."""
    n = len(numerators)
    if not n:
        raise ValueError("no items to score")
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    values = numerators[drawn].sum(1) / np.maximum(denominators[drawn].sum(1), 1e-12)
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(numerators.sum() / denominators.sum()), float(low), float(high), n)


def mean(values: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Mean of independent values (n,), with a percentile bootstrap over them."""
    return ratio(np.asarray(values, dtype=float), np.ones(len(values)), seed, resamples)


def difference(first: np.ndarray, second: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Mean of ``first`` minus mean of ``second``, (n,) each, of the same items in the same order: a paired bootstrap over the items.

    Raises:
        ValueError: Where they are not as many.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} items against {len(second)}: only the same items can be paired")
    return mean(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), seed, resamples)


def statistic(compute: Callable[[np.ndarray], float], n: int, seed: int = 0, resamples: int = 200) -> Estimate:
    """Any figure of n items, with a percentile bootstrap that is centered on it.

    Entropies and the like are lower or higher in every resample, which has items twice: uncenterd, the interval could leave the figure out.

    Args:
        compute: From the numbers of the items that count, (n,), some of them several times.
        n: Items.
        seed: Of the resampling.
        resamples: How many.

    Raises:
        ValueError: Where there is no item.
    """
    if not n:
        raise ValueError("no items to score")
    draw = np.random.default_rng(seed)
    values = [compute(draw.integers(n, size=n)) for _ in range(resamples)]
    return centered(float(compute(np.arange(n))), np.array(values), n)


def centered(value: float, drawn: np.ndarray, n: int) -> Estimate:
    """A figure of n items with the interval of its resamples (resamples,), moved so that their mean lies on it."""
    low, high = np.nanquantile(drawn, [0.025, 0.975]) + value - np.nanmean(drawn)
    return Estimate(value, float(low), float(high), n)
