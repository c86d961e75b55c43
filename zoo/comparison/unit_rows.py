"""The figures of tokenizers, and of speech spoken again from their units, as rows of a report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from zoo.comparison.joint_bootstrap import joint_row
from zoo.comparison.rows import (
    CODEBOOKS,
    PHONETIC,
    PROBES,
    RATES,
    RESYNTHESIS,
    RESYNTHESIS_UNSEEN,
    ROBUSTNESS,
    TOKENIZERS,
    VOCODERS,
    Row,
)
from zoo.comparison.unit_measures import Figures
from zoo.evaluation.statistics import Estimate, difference, mean

# Section, measure, whether higher or lower is better.
UNITS = {
    "tokens_per_second": (RATES, "tokens a second", "lower"),
    "bits_per_second": (RATES, "bits a second, by entropy", ""),
    "code_bits_per_second": (RATES, "bits a second, by codebook size", ""),
}
PHONES = {
    "phone_purity": (PHONETIC, "phone purity", "higher"),
    "unit_purity": (PHONETIC, "unit purity", "higher"),
    "pnmi": (PHONETIC, "PNMI", "higher"),
    "abx_within": (PHONETIC, "ABX error within speakers", "lower"),
    "abx_across": (PHONETIC, "ABX error across speakers", "lower"),
}
# Measure, whether higher or lower is better.
SPOKEN_AGAIN = {
    "mel_distance": ("mel distance", "lower"),
    "unit_edit_distance": ("unit edit distance of what is heard again", "lower"),
    "f0_frame_error": ("F0 frame error", "lower"),
    "log_f0_error": ("log-F0 error, octaves", "lower"),
    "style_accuracy": ("style that a classifier hears", "higher"),
    "word_error_rate": ("word error rate of a recognizer, mean over utterances", "lower"),
}


def unit_rows(figures: Mapping[str, Sequence[Figures]], seed: int = 0) -> list[Row]:
    """Rows of variants by name, the baseline first, each trained with as many seeds; a variant that lacks a figure is left out of its row."""
    every = [one for of_seeds in figures.values() for one in of_seeds]
    keys = dict.fromkeys(key for one in every for key in one.samples)
    chances = {f"probe_{kind}": one.chance for found in every for kind, one in found.probes.items()} | {
        "abx_within": 0.5,
        "abx_across": 0.5,
    }
    rows = []
    for key, (section, measure, better) in _named(keys).items():
        there = {
            name: [one.samples[key] for one in of_seeds]
            for name, of_seeds in figures.items()
            if all(key in one.samples for one in of_seeds)
        }
        if there:
            rows.append(
                replace(joint_row(key, section, measure, there, better, chances.get(key), seed), trained=TOKENIZERS)
            )
    return rows


def _named(keys: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Section, measure and what is better of each figure, in the order of the page."""
    keys, told = list(keys), dict(UNITS)
    for key in keys:
        kind, _, of = key.partition("_")
        if kind == "entropy":
            told[key] = (CODEBOOKS, f"{of}: entropy of a token, bits", "")
            told[f"used_{of}"] = (CODEBOOKS, f"{of}: share of the units in use", "higher")
    told |= PHONES
    for key in keys:
        kind, _, of = key.partition("_")
        if kind == "ued":
            augmentation, _, prefix = of.rpartition("_")
            told[key] = (ROBUSTNESS, f"unit edit distance of {prefix}, {augmentation}", "lower")
        elif kind == "probe":
            told[key] = (PROBES, f"{of} told by a linear probe", "")
    return {key: one for key, one in told.items() if key in keys}


def spoken_rows(values: Mapping[str, Mapping[str, np.ndarray]], seed: int = 0, unseen: bool = False) -> list[Row]:
    """Rows of speech spoken again.

    Args:
        values: Measures (utterances,) by name, by variant, the baseline first; NaN where an utterance has none.
        seed: Of the bootstraps.
        unseen: Whether nothing was trained on the speakers; keys then end in ``_unseen``.
    """
    (_, first), *others = values.items()
    rows = []
    for key, (measure, better) in SPOKEN_AGAIN.items():
        heard = {name: one[key] for name, one in values.items() if key in one and not np.isnan(one[key]).all()}
        if key in first and heard:
            rows.append(
                Row(
                    f"{key}_unseen" if unseen else key,
                    RESYNTHESIS_UNSEEN if unseen else RESYNTHESIS,
                    measure,
                    {name: mean(one[~np.isnan(one)], seed) for name, one in heard.items()},
                    {name: _paired(one[key], first[key], seed) for name, one in others if key in one},
                    better,
                    trained=VOCODERS,
                )
            )
    return rows


def _paired(one: np.ndarray, baseline: np.ndarray, seed: int) -> Estimate:
    both = ~np.isnan(one) & ~np.isnan(baseline)
    return difference(one[both], baseline[both], seed)
