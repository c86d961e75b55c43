"""Figures of several tokenizers side by side, as a report shows them: one row a measure, with how each differs from the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation.statistics import Estimate

RATES, CODEBOOKS, PHONETIC, ROBUSTNESS, PROBES = (
    "Rates",
    "Codebooks",
    "What the phonetic units tell",
    "Robustness",
    "What else the units tell",
)
UNSEEN, RESYNTHESIS_UNSEEN = (
    "Speakers left out of all training, in turn",
    "Resynthesis of a speaker left out of all training",
)
TOKENIZERS, VOCODERS, MODELS = "tokenizers", "vocoders", "language models"
RESYNTHESIS, LANGUAGE, INTERLEAVING, ALIGNMENT = (
    "Resynthesis",
    "Equal-budget language models",
    "With and without interleaving",
    "Alignment of speech and text",
)


@dataclass(frozen=True)
class Row:
    """One measure.

    Args:
        key: Names it, and does not change: programs and claims read it.
        section: That it stands in.
        measure: For people, with its unit.
        values: Of each variant, the baseline first.
        differences: Of each other variant from the baseline, over the same items.
        better: ``higher``, ``lower``, or nothing where neither is.
        seeds: Trained models that the figures are a mean over.
        chance: What guessing reaches, where there is such a thing.
        by_seed: The figure of each trained model, by variant.
        trained: What there is one of for each seed.
    """

    key: str
    section: str
    measure: str
    values: Mapping[str, Estimate]
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    better: str = ""
    seeds: int = 1
    chance: float | None = None
    by_seed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    trained: str = ""

    def report(self) -> dict[str, Any]:
        told = {
            "key": self.key,
            "section": self.section,
            "measure": self.measure,
            "better": self.better,
            "seeds": self.seeds,
            "trained": self.trained,
            "by_seed": {name: [round(float(one), 4) for one in values] for name, values in self.by_seed.items()},
            "values": {name: one.named("value") for name, one in self.values.items()},
            "differences": {
                name: {**one.named("value"), "excludes_zero": excludes_zero(one)}
                for name, one in self.differences.items()
            },
        }
        return told | ({} if self.chance is None else {"chance": round(self.chance, 4)})


def excludes_zero(one: Estimate) -> bool:
    """Whether the interval of a difference is clear of 0."""
    return bool(one.low > 0 or one.high < 0)


def crossed_bootstrap(
    values: np.ndarray, sizes: np.ndarray | None = None, seed: int = 0, resamples: int = 2000
) -> Estimate:
    """Mean of what several trained models gave for the same items; the bootstrap draws models and items.

    Three models tell little of how much another would differ: the interval is, if anything, too narrow.

    Args:
        values: (models, items).
        sizes: Of each item, (items,), if the figure is a sum over a sum, such as bits a second.
        seed: Of the draws.
        resamples: How many.

    Raises:
        ValueError: Where there is no item.
    """
    models, items = values.shape
    if not items:
        raise ValueError("no items to score")
    sizes, draw = np.ones(items) if sizes is None else sizes, np.random.default_rng(seed)
    of_models = draw.multinomial(models, np.full(models, 1 / models), resamples) / models
    of_items = draw.multinomial(items, np.full(items, 1 / items), resamples)
    means = ((of_models @ values) * of_items).sum(1) / (of_items @ sizes)
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(float(values.mean(0).sum() / sizes.sum()), float(low), float(high), items)


def crossed_bootstrap_row(
    key: str,
    section: str,
    measure: str,
    values: Mapping[str, np.ndarray],
    sizes: np.ndarray | None = None,
    better: str = "higher",
    chance: float | None = None,
    seed: int = 0,
    trained: str = MODELS,
) -> Row:
    """A row of figures of several trained models for each variant: (models, items) by variant, the items the same for all."""
    (_, baseline), *others = values.items()
    if any(one.shape[1] != baseline.shape[1] for _, one in others):
        raise ValueError(
            f"{measure}: the variants were measured on {[one.shape[1] for one in values.values()]} items: only the same items can be paired"
        )
    # Models of two variants with the same seed see the same documents in the same order where the corpus is the same: they are a pair.
    paired = {
        name: crossed_bootstrap(
            one - baseline
            if len(one) == len(baseline)
            else one.mean(0, keepdims=True) - baseline.mean(0, keepdims=True),
            sizes,
            seed,
        )
        for name, one in others
    }
    whole = len(baseline.T) if sizes is None else sizes.sum()
    return Row(
        key,
        section,
        measure,
        {name: crossed_bootstrap(one, sizes, seed) for name, one in values.items()},
        paired,
        better,
        min(len(one) for one in values.values()),
        chance,
        {name: (one.sum(1) / whole).tolist() for name, one in values.items()},
        trained,
    )
