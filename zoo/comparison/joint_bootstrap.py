"""Figures of variants trained with several seeds, drawn again together: the same items and the same seeds for each, so that differences are paired."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.comparison.rows import Row
from zoo.evaluation.statistics import Estimate, centered


@dataclass(frozen=True)
class Sample:
    """A figure, and the items that it is made of.

    Args:
        items: What each is: an utterance, a pair of phones.
        compute: The figure, from how often each item counts, (n,).
    """

    items: Sequence[Hashable]
    compute: Callable[[np.ndarray], float] = field(repr=False)

    @property
    def value(self) -> float:
        return float(self.compute(np.ones(len(self.items))))

    def estimate(self, seed: int = 0, resamples: int = 1000) -> Estimate:
        """The figure with the interval of a bootstrap over its items."""
        return centered(self.value, _drawn([self], seed, resamples), len(self.items))


def sum_over_sum(items: Sequence[Hashable], numerators: np.ndarray, denominators: np.ndarray | None = None) -> Sample:
    """A ratio of sums over items (n,), such as errors over words; a mean where there are no denominators."""
    below = np.ones(len(items)) if denominators is None else np.asarray(denominators, dtype=float)
    return Sample(items, lambda counts: (counts @ numerators) / max(counts @ below, 1e-12))


def joint_row(
    key: str,
    section: str,
    measure: str,
    samples: Mapping[str, Sequence[Sample]],
    better: str = "",
    chance: float | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Row:
    """A row of figures of variants by name, the baseline first, each of them once for every seed that it was trained with.

    Every resample draws seeds and items, and computes all variants on them. Entropies and the like are lower or higher in
    every resample, which has items twice: intervals are centered on the figure. A variant that was measured on other items
    than the baseline, or has other seeds, gets no difference.

    Args:
        key: As ``Row``; so are the next two.
        section: That it stands in.
        measure: For people.
        samples: By variant and seed.
        better: ``higher``, ``lower``, or nothing.
        chance: What guessing reaches.
        seed: Of the draws.
        resamples: How many.

    Raises:
        ValueError: Where a variant has no item, or its seeds were measured on different ones.
    """
    (_, first), *others = samples.items()
    for name, of_seeds in samples.items():
        if not of_seeds[0].items or any(one.items != of_seeds[0].items for one in of_seeds):
            raise ValueError(f"{measure}: {name} has no items, or its seeds were measured on different ones")
    drawn = {name: _drawn(of_seeds, seed, resamples) for name, of_seeds in samples.items()}
    values = {name: float(np.mean([one.value for one in of_seeds])) for name, of_seeds in samples.items()}
    baseline = next(iter(samples))
    paired = {
        name: centered(values[name] - values[baseline], drawn[name] - drawn[baseline], len(first[0].items))
        for name, one in others
        if one[0].items == first[0].items and len(one) == len(first)
    }
    return Row(
        key,
        section,
        measure,
        {name: centered(values[name], drawn[name], len(one[0].items)) for name, one in samples.items()},
        paired,
        better,
        min(len(one) for one in samples.values()),
        chance,
        {name: [one.value for one in of_seeds] for name, of_seeds in samples.items()},
    )


def _drawn(of_seeds: Sequence[Sample], seed: int, resamples: int) -> np.ndarray:
    """The figure in each resample, (resamples,); the draws depend on the numbers of seeds and items alone."""
    draw, models, items = np.random.default_rng(seed), len(of_seeds), len(of_seeds[0].items)
    weights = draw.multinomial(models, np.full(models, 1 / models), resamples)
    counts = draw.multinomial(items, np.full(items, 1 / items), resamples)
    return np.array(
        [
            sum(w * one.compute(count) for w, one in zip(weight, of_seeds) if w) / models
            for weight, count in zip(weights, counts)
        ]
    )
