"""Measures of a comparison: one figure for each tokenizer variant, and how each variant differs from the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.evaluation.statistics import Estimate, WeightedStatistic, centered, crossed_mean, joint_resamples

# Sections of the report.
RATES = "Rates"
CODEBOOKS = "Codebooks"
PHONETIC = "Phonetic information of the units"
ROBUSTNESS = "Robustness"
PROBES = "Speaker and style information of the units"
UNSEEN = "Speakers left out of all training, in turn"
RESYNTHESIS = "Resynthesis"
RESYNTHESIS_UNSEEN = "Resynthesis of a speaker left out of all training"
LANGUAGE = "Equal-budget language models"
INTERLEAVING = "With and without interleaving"
ALIGNMENT = "Alignment of speech and text"

# Kinds of models that are trained once per seed.
TOKENIZERS = "tokenizers"
VOCODERS = "vocoders"
MODELS = "language models"


@dataclass(frozen=True)
class Measure:
    """One measure, with the figure of each variant and the differences from the baseline.

    Args:
        key: Stable identifier of the measure, used by reports and claims.
        section: Section of the report.
        title: Human-readable name, with the unit.
        values: Figure of each variant, the baseline first.
        differences: Difference of each other variant from the baseline, over the same items.
        better: ``higher`` or ``lower``; empty if neither is better.
        seeds: Number of trained models that each figure is a mean over.
        chance: Figure of random guessing; None if it is not defined.
        by_seed: Figure of each trained model, by variant.
        trained: Kind of model that was trained once per seed.
    """

    key: str
    section: str
    title: str
    values: Mapping[str, Estimate]
    differences: Mapping[str, Estimate] = field(default_factory=dict)
    better: str = ""
    seeds: int = 1
    chance: float | None = None
    by_seed: Mapping[str, Sequence[float]] = field(default_factory=dict)
    trained: str = ""

    def report(self) -> dict[str, Any]:
        """Return the measure as JSON."""
        values = {}
        for name, estimate in self.values.items():
            values[name] = estimate.named("value")
        differences = {}
        for name, estimate in self.differences.items():
            differences[name] = {**estimate.named("value"), "excludes_zero": estimate.excludes_zero}
        by_seed = {}
        for name, figures in self.by_seed.items():
            by_seed[name] = [round(float(figure), 4) for figure in figures]
        report: dict[str, Any] = {
            "key": self.key,
            "section": self.section,
            "measure": self.title,
            "better": self.better,
            "seeds": self.seeds,
            "trained": self.trained,
            "by_seed": by_seed,
            "values": values,
            "differences": differences,
        }
        if self.chance is not None:
            report["chance"] = round(self.chance, 4)
        return report


@dataclass(frozen=True)
class MeasureInfo:
    """Description of a measure, without its figures.

    Args:
        key: Stable identifier of the measure, used by reports and claims.
        section: Section of the report.
        title: Human-readable name, with the unit.
        better: ``higher`` or ``lower``; empty if neither is better.
        chance: Figure of random guessing; None if it is not defined.
        trained: Kind of model that was trained once per seed.
    """

    key: str
    section: str
    title: str
    better: str = ""
    chance: float | None = None
    trained: str = ""


def crossed_measure(
    info: MeasureInfo, values: Mapping[str, np.ndarray], sizes: np.ndarray | None = None, seed: int = 0
) -> Measure:
    """Make a measure from the scores of several trained models of each variant on the same items.

    Args:
        info: Key, section and title.
        values: Scores (models, items) by variant, the baseline first, the items the same for all.
        sizes: Size of each item, (items,), if the figure is a ratio of sums, such as bits per second.
        seed: Seed of the bootstraps, which draw models and items.

    Raises:
        ValueError: If the variants were measured on different numbers of items.
    """
    baseline_name, baseline = next(iter(values.items()))
    num_items = baseline.shape[1]
    total = num_items if sizes is None else sizes.sum()
    estimates = {}
    differences = {}
    by_seed = {}
    for name, scores in values.items():
        if scores.shape[1] != num_items:
            raise ValueError(
                f"{info.title}: {baseline_name} was measured on {num_items} items and {name} on {scores.shape[1]}: "
                "differences need the same items for all"
            )
        estimates[name] = crossed_mean(scores, sizes, seed)
        by_seed[name] = (scores.sum(1) / total).tolist()
        if name != baseline_name:
            differences[name] = crossed_mean(_paired(scores, baseline), sizes, seed)
    return Measure(
        key=info.key,
        section=info.section,
        title=info.title,
        values=estimates,
        differences=differences,
        better=info.better,
        seeds=min(map(len, values.values())),
        chance=info.chance,
        by_seed=by_seed,
        trained=info.trained,
    )


def _paired(scores: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Return differences from the baseline, (models, items).

    Models of two variants with the same seed are trained on the same documents in the same order if the corpus is the
    same: they are paired. If the numbers of models differ, their mean scores are compared.
    """
    if len(scores) == len(baseline):
        return scores - baseline
    return scores.mean(0, keepdims=True) - baseline.mean(0, keepdims=True)


def joint_measure(
    info: MeasureInfo,
    statistics: Mapping[str, Sequence[WeightedStatistic]],
    seed: int = 0,
    resamples: int = 1000,
) -> Measure:
    """Make a measure from statistics of variants that were each trained with several seeds.

    Each bootstrap resample draws seeds and items and is shared by all variants, so that differences are paired. No
    difference is computed for a variant whose items or number of seeds differ from those of the baseline.

    Args:
        info: Key, section and title.
        statistics: The figure for each seed, by variant, the baseline first.
        seed: Seed of the draws.
        resamples: Number of resamples.

    Raises:
        ValueError: If a variant has no items, or its seeds were measured on different items.
    """
    baseline_name, of_baseline = next(iter(statistics.items()))
    resampled: dict[str, np.ndarray] = {}
    figures: dict[str, float] = {}
    values = {}
    differences = {}
    by_seed = {}
    for name, of_seeds in statistics.items():
        items = of_seeds[0].items
        if not items or any(of_seed.items != items for of_seed in of_seeds):
            raise ValueError(f"{info.title}: {name} has no items, or its seeds were measured on different items")
        by_seed[name] = [of_seed.value for of_seed in of_seeds]
        figures[name] = float(np.mean(by_seed[name]))
        resampled[name] = joint_resamples(of_seeds, seed, resamples)
        values[name] = centered(figures[name], resampled[name], len(items))
        is_paired = items == of_baseline[0].items and len(of_seeds) == len(of_baseline)
        if is_paired and name != baseline_name:
            gap = figures[name] - figures[baseline_name]
            differences[name] = centered(gap, resampled[name] - resampled[baseline_name], len(items))
    return Measure(
        key=info.key,
        section=info.section,
        title=info.title,
        values=values,
        differences=differences,
        better=info.better,
        seeds=min(map(len, statistics.values())),
        chance=info.chance,
        by_seed=by_seed,
        trained=info.trained,
    )
