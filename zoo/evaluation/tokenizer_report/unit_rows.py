"""The figures of tokenizers, and of speech spoken again from their units, as rows of a report."""
from collections.abc import Callable, Mapping

import numpy as np

from zoo.evaluation.intervals import Estimate, difference, mean
from zoo.evaluation.tokenizer_report.measure import Figures, compare
from zoo.evaluation.tokenizer_report.rows import CODEBOOKS, PHONETIC, PROBES, RATES, RESYNTHESIS, ROBUSTNESS, Row

# Measure, whether higher or lower is better.
SPOKEN_AGAIN = {"mel_distance": ("mel distance", "lower"), "unit_edit_distance": ("unit edit distance of what is heard again", "lower"),
                "f0_frame_error": ("F0 frame error", "lower"), "log_f0_error": ("log-F0 error, octaves", "lower"),
                "style_accuracy": ("style that a classifier hears", "higher"), "word_error_rate": ("word error rate of a recogniser", "lower")}


def unit_rows(figures: Mapping[str, Figures], seed: int = 0) -> list[Row]:
    """Rows of variants by name, the baseline first; a variant that lacks a figure is left out of its row."""
    (baseline, first), *others = figures.items()
    paired = {name: compare(first, one, seed) for name, one in others}

    def row(key: str, section: str, measure: str, of: Callable[[Figures], Estimate | None], better: str = "", pair: str = "", chance: float | None = None,
            seeds: int = 1) -> Row:
        values = {name: value for name, one in figures.items() if (value := of(one)) is not None}
        return Row(key, section, measure, values, {name: _estimate(found[pair]) for name, found in paired.items() if pair in found}, better, seeds, chance)

    rows = [row("tokens_per_second", RATES, "tokens a second", lambda one: one.rates.tokens_per_second, "lower", "tokens_per_second"),
            row("bits_per_second", RATES, "bits a second, by entropy", lambda one: one.rates.bits_per_second, pair="bits_per_second"),
            row("code_bits_per_second", RATES, "bits a second, by codebook size", lambda one: one.rates.code_bits_per_second, pair="code_bits_per_second")]
    for prefix in dict.fromkeys(prefix for one in figures.values() for prefix in one.rates.usage):
        rows.append(row(f"entropy_{prefix}", CODEBOOKS, f"{prefix}: entropy of a token, bits",
                        lambda one: one.rates.usage[prefix].entropy_bits if prefix in one.rates.usage else None))
    for name, label in (("phone_purity", "phone purity"), ("unit_purity", "unit purity"), ("pnmi", "PNMI")):
        rows.append(row(name, PHONETIC, label, lambda one: one.purity and getattr(one.purity, name), "higher", name))
    for name in ("within", "across"):
        rows.append(row(f"abx_{name}", PHONETIC, f"ABX error {name} speakers", lambda one: one.abx and getattr(one.abx, name), "lower", f"abx_{name}", 0.5))
    for kind in first.robustness:
        for prefix in dict.fromkeys(prefix for one in figures.values() for prefix in one.robustness.get(kind, {})):
            rows.append(row(f"ued_{kind}_{prefix}", ROBUSTNESS, f"unit edit distance of {prefix}, {kind}", lambda one: one.robustness.get(kind, {}).get(prefix), "lower"))
    for kind in dict.fromkeys(kind for one in figures.values() for kind in one.probes):
        rows.append(row(f"probe_{kind}", PROBES, f"{kind} told by a linear probe", lambda one: one.probes[kind].accuracy if kind in one.probes else None, "",
                        f"{kind} probe", first.probes[kind].chance if kind in first.probes else None, 3))
    return [one for one in rows if one.values]


def spoken_rows(values: Mapping[str, Mapping[str, np.ndarray]], seed: int = 0) -> list[Row]:
    """Rows of speech spoken again: measures (utterances,) by name, by variant, the baseline first; NaN where an utterance has none."""
    (_, first), *others = values.items()
    rows = []
    for key, (measure, better) in SPOKEN_AGAIN.items():
        heard = {name: one[key] for name, one in values.items() if key in one and not np.isnan(one[key]).all()}
        if key in first and heard:
            rows.append(Row(key, RESYNTHESIS, measure, {name: mean(one[~np.isnan(one)], seed) for name, one in heard.items()},
                            {name: _paired(one[key], first[key], seed) for name, one in others if key in one}, better))
    return rows


def _paired(one: np.ndarray, baseline: np.ndarray, seed: int) -> Estimate:
    both = ~np.isnan(one) & ~np.isnan(baseline)
    return difference(one[both], baseline[both], seed)


def _estimate(named: Mapping[str, float | list[float] | int]) -> Estimate:
    return Estimate(named["difference"], *named["interval"], named["n"])
