"""Resynthesis by the vocoders of tokenizer variants: scores, examples, and measures for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm import tqdm

from zoo.audio import read
from zoo.comparison.measures import RESYNTHESIS, RESYNTHESIS_UNSEEN, VOCODERS, Measure
from zoo.comparison.resynthesis_examples import ORIGINAL, Example, Sound
from zoo.evaluation.resynthesis import (
    STYLE_ACCURACY,
    WORD_ERROR_RATE,
    HeldOutUtterance,
    ResynthesisMetrics,
    gather_scores,
    resynthesize,
)
from zoo.evaluation.statistics import ItemScores
from zoo.speech.f0 import F0Extractor
from zoo.tokens.schema import TokenRow
from zoo.tokens.units import merge
from zoo.vocoder.vocoder import Vocoder

# Title, and whether higher or lower is better.
MEASURES = {
    "mel_distance": ("mel distance", "lower"),
    "unit_edit_distance": ("unit edit distance after resynthesis", "lower"),
    "f0_frame_error": ("F0 frame error", "lower"),
    "log_f0_error": ("log-F0 error, octaves", "lower"),
    STYLE_ACCURACY: ("style accuracy by a classifier", "higher"),
    WORD_ERROR_RATE: ("word error rate of a recognizer", "lower"),
}


@dataclass(frozen=True)
class VariantResynthesis:
    """Resynthesis by one variant.

    Args:
        scores: Scores of the utterances by metric.
        examples: The first utterances, to look at and to listen to.
    """

    scores: dict[str, ItemScores]
    examples: list[Example]


def resynthesize_variant(
    name: str,
    rows: Sequence[TokenRow],
    vocoder: Vocoder,
    metrics: ResynthesisMetrics,
    f0: F0Extractor,
    num_examples: int = 3,
) -> VariantResynthesis:
    """Resynthesize tokenized utterances with the vocoder of a variant, timing and speaker being those of the recording.

    Args:
        name: Name of the variant.
        rows: Held-out utterances; the vocoder's default voice is used for speakers that it does not know.
        vocoder: Vocoder of the rows' units.
        metrics: What is measured.
        f0: F0 extractor for the contours of the examples.
        num_examples: Number of utterances that become examples, the first ones.
    """

    def synthesize(utterance: HeldOutUtterance) -> Tensor:
        speaker = utterance.speaker if utterance.speaker in vocoder.speakers else None
        return vocoder(utterance.units, speaker, predict_durations=False)

    values = []
    examples: list[Example] = []
    for row in tqdm(rows, desc=f"resynthesis by {name}", unit="utterance", mininterval=1.0, delay=2.0):
        waveform = read(Path(row.audio), vocoder.sample_rate, row.start, row.duration)
        utterance = HeldOutUtterance(row.id, waveform, row.units, row.speaker, row.style, row.text)
        generated = resynthesize(synthesize, utterance)
        values.append(metrics(generated, utterance))
        if len(examples) < num_examples:
            tokens = merge(row.units, metrics.tokenizer.streams)
            original = Sound.of(waveform, vocoder.sample_rate, f0)
            resynthesis = Sound.of(generated, vocoder.sample_rate, f0, tokens)
            seconds = round(len(waveform) / vocoder.sample_rate, 3)
            sounds = {ORIGINAL: original, name: resynthesis}
            examples.append(Example(row.id, row.text, row.speaker, row.style or "", seconds, sounds))
    return VariantResynthesis(gather_scores(values), examples)


def join_examples(variants: Sequence[VariantResynthesis]) -> list[Example]:
    """Join the examples of several variants, which are of the same utterances in the same order."""
    joined = variants[0].examples
    for variant in variants[1:]:
        joined = [example.joined(other) for example, other in zip(joined, variant.examples, strict=True)]
    return joined


def require_same_utterances(rows: Mapping[str, Sequence[TokenRow]]) -> None:
    """Check that the held-out utterances of every variant are those of the first one.

    Raises:
        ValueError: If they are not.
    """
    baseline, *others = rows
    expected = [row.id for row in rows[baseline]]
    for name in others:
        if [row.id for row in rows[name]] != expected:
            raise ValueError(
                f"the vocoders of {baseline} and {name} kept different utterances: give their data the same "
                "held_out, segment_units and seed"
            )


def resynthesis_measures(
    scores: Mapping[str, Mapping[str, ItemScores]], seed: int = 0, unseen: bool = False
) -> list[Measure]:
    """Return the measures of resynthesis.

    Args:
        scores: Scores of the utterances by metric, by variant, the baseline first.
        seed: Seed of the bootstraps.
        unseen: Whether nothing was trained on the speakers; keys then end in ``_unseen``.
    """
    baseline_name, baseline = next(iter(scores.items()))
    measures = []
    for key, (title, better) in MEASURES.items():
        if key not in baseline:
            continue
        values = {}
        differences = {}
        for name, of_variant in scores.items():
            if key in of_variant and not of_variant[key].is_empty:
                values[name] = of_variant[key].estimate(seed)
                if name != baseline_name and not baseline[key].is_empty:
                    differences[name] = of_variant[key].minus(baseline[key], seed)
        if not values:
            continue
        measures.append(
            Measure(
                f"{key}_unseen" if unseen else key,
                RESYNTHESIS_UNSEEN if unseen else RESYNTHESIS,
                title,
                values,
                differences,
                better,
                trained=VOCODERS,
            )
        )
    return measures


def mean_of_originals(scores: Mapping[str, ItemScores], key: str) -> float:
    """Return the mean of a score, such as ``style_accuracy_of_original``, over the utterances that have it."""
    return float(np.nanmean(scores[key].numerators))
