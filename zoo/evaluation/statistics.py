"""Estimates with 95% intervals: proportions, ratios and means, their differences, and bootstraps over items and seeds.

Every bootstrap of the project is here, so that one figure has one interval wherever it is reported. An item is the
unit of resampling: an utterance, a contrast, a pair of phones.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

Z = 1.959964  # of a two-sided 95% interval of the normal distribution
QUANTILES = [0.025, 0.975]


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval.

    Args:
        value: The figure.
        low: Lower end of the interval.
        high: Upper end of the interval.
        n: Number of independent items that the figure is computed from.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval, of a difference, does not contain 0."""
        return self.low > 0 or self.high < 0

    def named(self, name: str) -> dict[str, float | list[float] | int]:
        """Return the estimate as JSON for a report, with four decimals and the figure under ``name``."""
        return {name: round(self.value, 4), "interval": [round(self.low, 4), round(self.high, 4)], "n": self.n}

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def proportion(hits: np.ndarray) -> Estimate:
    """Estimate the share of hits (n,), ties counted as one half, with Wilson's score interval.

    Raises:
        ValueError: If there is no item.
    """
    n = len(hits)
    _require_items(n)
    p = float(np.mean(hits))
    center = p + Z**2 / (2 * n)
    spread = Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    low = (center - spread) / (1 + Z**2 / n)
    high = (center + spread) / (1 + Z**2 / n)
    return Estimate(p, max(0.0, float(low)), min(1.0, float(high)), n)


def ratio(numerators: np.ndarray, denominators: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Estimate a ratio of sums over items (n,), such as word errors over words, with a percentile bootstrap.

    Raises:
        ValueError: If there is no item.
    """
    n = len(numerators)
    _require_items(n)
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    values = numerators[drawn].sum(1) / np.maximum(denominators[drawn].sum(1), 1e-12)
    low, high = np.quantile(values, QUANTILES)
    return Estimate(float(numerators.sum() / denominators.sum()), float(low), float(high), n)


def mean(values: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Estimate the mean of independent values (n,) with a percentile bootstrap.

    Raises:
        ValueError: If there is no item.
    """
    return ratio(np.asarray(values, dtype=float), np.ones(len(values)), seed, resamples)


def difference(first: np.ndarray, second: np.ndarray, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Estimate the mean of ``first`` minus ``second``, of the same items in order, (n,) each, with a paired bootstrap.

    Raises:
        ValueError: If the two differ in length, or there is no item.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} items against {len(second)}: only the same items can be paired")
    return mean(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), seed, resamples)


@dataclass(frozen=True)
class ItemScores:
    """Scores of items, NaN where missing; the figure of the items is their mean, or a ratio of sums.

    Args:
        numerators: Score of each item, (n,), such as its word errors; NaN where an item has none.
        denominators: Size of each item, (n,), such as its reference words, if the figure is a ratio of sums. The
            figure is the mean of the scores if None.
    """

    numerators: np.ndarray
    denominators: np.ndarray | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no item has a score."""
        return bool(np.isnan(self.numerators).all())

    def estimate(self, seed: int = 0, resamples: int = 2000) -> Estimate:
        """Return the figure over the items that have a score.

        Raises:
            ValueError: If no item has a score.
        """
        scored = ~np.isnan(self.numerators)
        if not scored.any():
            raise ValueError("no items to score: none of them has a value")
        return ratio(self.numerators[scored], self._sizes()[scored], seed, resamples)

    def minus(self, other: "ItemScores", seed: int = 0, resamples: int = 2000) -> Estimate:
        """Return the difference from the scores of ``other`` for the same items, with a paired bootstrap."""
        return ItemScores(self.numerators - other.numerators, self.denominators).estimate(seed, resamples)

    def _sizes(self) -> np.ndarray:
        return np.ones(len(self.numerators)) if self.denominators is None else self.denominators


def relative_reduction(scores: ItemScores, baseline: ItemScores, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Estimate by what share a ratio of sums is below that of a baseline on the same items, with a paired bootstrap.

    Args:
        scores: Scores of the items, all present.
        baseline: Scores of the baseline for the same items in the same order.
        seed: Seed of the draws.
        resamples: Number of resamples.
    """
    n = len(scores.numerators)
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))

    def figure(item_scores: ItemScores, items: np.ndarray) -> np.ndarray:
        numerators = np.asarray(item_scores.numerators, dtype=float)
        denominators = np.asarray(item_scores._sizes(), dtype=float)
        return numerators[items].sum(-1) / denominators[items].sum(-1)

    low, high = np.quantile(1 - figure(scores, drawn) / figure(baseline, drawn), QUANTILES)
    everything = np.arange(n)
    value = 1 - figure(scores, everything) / figure(baseline, everything)
    return Estimate(float(value), float(low), float(high), n)


def statistic(compute: Callable[[np.ndarray], float], n: int, seed: int = 0, resamples: int = 200) -> Estimate:
    """Estimate any figure of n items with a percentile bootstrap that is centered on it; see ``centered``.

    Args:
        compute: Computes the figure of a resample from the indices of its items, (n,), with repetitions.
        n: Number of items.
        seed: Seed of the draws.
        resamples: Number of resamples.

    Raises:
        ValueError: If there is no item.
    """
    _require_items(n)
    draw = np.random.default_rng(seed)
    values = np.array([compute(draw.integers(n, size=n)) for _ in range(resamples)])
    return centered(float(compute(np.arange(n))), values, n)


def centered(value: float, resampled: np.ndarray, n: int) -> Estimate:
    """Return a figure of n items with the interval of its resamples (resamples,), shifted to have the figure as mean.

    A resample contains items twice, so that entropies and the like are lower or higher in every resample: without the
    shift the interval could exclude the figure itself.
    """
    low, high = np.nanquantile(resampled, QUANTILES) + value - np.nanmean(resampled)
    return Estimate(value, float(low), float(high), n)


@dataclass(frozen=True)
class WeightedStatistic:
    """A figure as a function of the count of each item, so that several figures can be resampled jointly.

    Args:
        items: Names of the items, such as the ids of utterances.
        compute: Computes the figure from the counts of the items, (n,).
    """

    items: Sequence[Hashable]
    compute: Callable[[np.ndarray], float] = field(repr=False)

    @property
    def value(self) -> float:
        """Figure with each item counted once."""
        return float(self.compute(np.ones(len(self.items))))


def weighted_ratio(
    items: Sequence[Hashable], numerators: np.ndarray, denominators: np.ndarray | None = None
) -> WeightedStatistic:
    """Return a ratio of sums over items (n,), or the mean if there are no denominators, as a weighted statistic."""
    sizes = np.ones(len(items)) if denominators is None else np.asarray(denominators, dtype=float)

    def compute(counts: np.ndarray) -> float:
        return float((counts @ numerators) / max(counts @ sizes, 1e-12))

    return WeightedStatistic(items, compute)


def joint_resamples(of_seeds: Sequence[WeightedStatistic], seed: int = 0, resamples: int = 1000) -> np.ndarray:
    """Resample the mean of a figure over models trained with several seeds: each resample draws seeds and items.

    The draws depend on the numbers of seeds and items alone, so that the resamples of two figures over the same items
    are paired.

    Args:
        of_seeds: The figure of each trained model, over the same items.
        seed: Seed of the draws.
        resamples: Number of resamples.

    Returns:
        The figure in each resample, (resamples,).
    """
    num_models = len(of_seeds)
    num_items = len(of_seeds[0].items)
    draw = np.random.default_rng(seed)
    model_counts = draw.multinomial(num_models, np.full(num_models, 1 / num_models), resamples)
    item_counts = draw.multinomial(num_items, np.full(num_items, 1 / num_items), resamples)
    values = []
    for weights, counts in zip(model_counts, item_counts, strict=True):
        drawn = [weight * model.compute(counts) for weight, model in zip(weights, of_seeds, strict=True) if weight]
        values.append(sum(drawn) / num_models)
    return np.array(values)


def crossed_mean(values: np.ndarray, sizes: np.ndarray | None = None, seed: int = 0, resamples: int = 2000) -> Estimate:
    """Estimate the mean score of several trained models on the same items; the bootstrap draws models and items.

    With few models, such as three, the interval is too narrow rather than too wide.

    Args:
        values: Scores (models, items).
        sizes: Size of each item, (items,), if the figure is a ratio of sums, such as bits per second.
        seed: Seed of the draws.
        resamples: Number of resamples.

    Raises:
        ValueError: If there is no item.
    """
    num_models, num_items = values.shape
    _require_items(num_items)
    sizes = np.ones(num_items) if sizes is None else sizes
    draw = np.random.default_rng(seed)
    model_weights = draw.multinomial(num_models, np.full(num_models, 1 / num_models), resamples) / num_models
    item_counts = draw.multinomial(num_items, np.full(num_items, 1 / num_items), resamples)
    means = ((model_weights @ values) * item_counts).sum(1) / (item_counts @ sizes)
    low, high = np.quantile(means, QUANTILES)
    return Estimate(float(values.mean(0).sum() / sizes.sum()), float(low), float(high), num_items)


def pooled_mean(of_parts: Sequence[np.ndarray], seed: int = 0, resamples: int = 2000) -> Estimate:
    """Estimate the mean over the items of all parts; the bootstrap draws parts, and within each its items.

    Args:
        of_parts: Values (n,) of the items of each part, such as the utterances of one speaker; NaN where an item has
            no value.
        seed: Seed of the draws.
        resamples: Number of resamples.

    Raises:
        ValueError: If no item has a value.
    """
    parts = [values[~np.isnan(values)] for values in of_parts]
    parts = [values for values in parts if len(values)]
    if not parts:
        raise ValueError("no items to score: no utterance has this figure")
    draw = np.random.default_rng(seed)
    num_parts = len(parts)
    # The sum of part p in the k-th place of each resample, (parts, resamples, places): a part that is drawn twice has
    # other items of it the second time.
    sums = []
    for values in parts:
        counts = draw.multinomial(len(values), np.full(len(values), 1 / len(values)), (resamples, num_parts))
        sums.append(counts @ values)
    chosen = draw.integers(num_parts, size=(resamples, num_parts))
    sizes = np.array([len(values) for values in parts])
    totals = np.array(sums)[chosen, np.arange(resamples)[:, None], np.arange(num_parts)].sum(1)
    low, high = np.quantile(totals / sizes[chosen].sum(1), QUANTILES)
    return Estimate(float(np.concatenate(parts).mean()), float(low), float(high), int(sizes.sum()))


def _require_items(n: int) -> None:
    if not n:
        raise ValueError("no items to score")
