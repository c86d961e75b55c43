"""Measures that compare the units of tokenizer variants, for a report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from zoo.comparison.measures import (
    CODEBOOKS,
    PHONETIC,
    PROBES,
    RATES,
    ROBUSTNESS,
    TOKENIZERS,
    Measure,
    MeasureInfo,
    joint_measure,
)
from zoo.comparison.tokenizers import TokenizerScores

RATE_MEASURES = (
    MeasureInfo("tokens_per_second", RATES, "tokens per second", "lower"),
    MeasureInfo("bits_per_second", RATES, "bits per second, by entropy"),
    MeasureInfo("code_bits_per_second", RATES, "bits per second, by codebook size"),
)
PHONE_MEASURES = (
    MeasureInfo("phone_purity", PHONETIC, "phone purity", "higher"),
    MeasureInfo("unit_purity", PHONETIC, "unit purity", "higher"),
    MeasureInfo("pnmi", PHONETIC, "PNMI", "higher"),
    MeasureInfo("abx_within", PHONETIC, "ABX error within speakers", "lower", 0.5),
    MeasureInfo("abx_across", PHONETIC, "ABX error across speakers", "lower", 0.5),
)


def tokenizer_measures(scores: Mapping[str, Sequence[TokenizerScores]], seed: int = 0) -> list[Measure]:
    """Return the measures of tokenizer variants; a variant that lacks a figure is left out of its measure.

    Args:
        scores: Scores of each variant, the baseline first; one for each training seed.
        seed: Seed of the bootstraps.
    """
    every = [of_seed for of_seeds in scores.values() for of_seed in of_seeds]
    keys = dict.fromkeys(key for of_seed in every for key in of_seed.statistics)
    chances = {}
    for of_seed in every:
        for kind, probe in of_seed.probes.items():
            chances[f"probe_{kind}"] = probe.chance
    measures = []
    for info in _infos(keys, chances):
        statistics = {}
        for name, of_seeds in scores.items():
            if all(info.key in of_seed.statistics for of_seed in of_seeds):
                statistics[name] = [of_seed.statistics[info.key] for of_seed in of_seeds]
        if statistics:
            measures.append(joint_measure(info, statistics, seed))
    return measures


def _infos(keys: Iterable[str], chances: Mapping[str, float]) -> list[MeasureInfo]:
    """Return key, section, title and direction of each measured figure, in the order of the report."""
    keys = list(keys)
    codebooks = []
    robustness = []
    for key in keys:
        kind, _, subject = key.partition("_")
        if kind == "entropy":
            codebooks.append(MeasureInfo(key, CODEBOOKS, f"{subject}: entropy of a token, bits"))
            used = f"{subject}: share of the units in use"
            codebooks.append(MeasureInfo(f"used_{subject}", CODEBOOKS, used, "higher"))
        elif kind == "ued":
            augmentation, _, prefix = subject.rpartition("_")
            title = f"unit edit distance of {prefix}, {augmentation}"
            robustness.append(MeasureInfo(key, ROBUSTNESS, title, "lower"))
        elif kind == "probe":
            title = f"{subject} predicted by a linear probe"
            robustness.append(MeasureInfo(key, PROBES, title, chance=chances.get(key)))
    infos = [*RATE_MEASURES, *codebooks, *PHONE_MEASURES, *robustness]
    return [replace(info, trained=TOKENIZERS) for info in infos if info.key in keys]
