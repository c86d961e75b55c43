"""Measures of resynthesis for a comparison: each variant resynthesizes the same utterances with its own vocoder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.comparison.measures import RESYNTHESIS, RESYNTHESIS_UNSEEN, VOCODERS, Measure
from zoo.comparison.resynthesis_examples import ORIGINAL, Example, Sound
from zoo.evaluation.judged_resynthesis import judge_systems, raw_unit_synthesizer
from zoo.evaluation.judges.speech_judges import (
    CHARACTER_ERROR_RATE,
    SPEAKER_SIMILARITY,
    WORD_ERROR_RATE,
    SpeechJudges,
)
from zoo.evaluation.resynthesis import (
    STYLE_ACCURACY,
    ResynthesisItem,
    ResynthesisMetrics,
    Synthesizer,
    gather_scores,
    resynthesize,
    score_block,
)
from zoo.evaluation.statistics import ItemScores
from zoo.speech.f0 import F0Extractor
from zoo.tokens.merged_streams import merge as merge_streams
from zoo.tokens.schema import TokenRow
from zoo.vocoder.vocoder import Vocoder

# Anchors of the judges' measures.
ORIGINALS, GRIFFIN_LIM = "Originals", "Griffin-Lim"
# Title of each metric, and whether higher or lower is better.
MEASURES = {
    WORD_ERROR_RATE: ("word error rate of a recognizer", "lower"),
    CHARACTER_ERROR_RATE: ("character error rate of a recognizer", "lower"),
    SPEAKER_SIMILARITY: ("similarity to another recording of the speaker, cosine", "higher"),
    "dnsmos_ovrl": ("DNSMOS, overall", "higher"),
    "dnsmos_sig": ("DNSMOS, signal", "higher"),
    "dnsmos_bak": ("DNSMOS, background", "higher"),
    "plcmos": ("PLCMOS", "higher"),
    "mel_distance": ("mel distance", "lower"),
    "unit_edit_distance": ("unit edit distance after resynthesis", "lower"),
    "f0_frame_error": ("F0 frame error", "lower"),
    "log_f0_error": ("log-F0 error, octaves", "lower"),
    STYLE_ACCURACY: ("style accuracy by a classifier", "higher"),
}


@dataclass(frozen=True)
class VariantResynthesis:
    """Scores and examples of the utterances that one variant resynthesized.

    Args:
        scores: Scores of the utterances, by metric.
        examples: The first utterances, with audio, F0 contours and tokens.
    """

    scores: dict[str, ItemScores]
    examples: list[Example]


def resynthesize_variant(
    name: str,
    blocks: Iterable[list[ResynthesisItem]],
    vocoder: Vocoder,
    metrics: ResynthesisMetrics,
    f0: F0Extractor,
    num_examples: int = 3,
    judges: SpeechJudges | None = None,
) -> VariantResynthesis:
    """Resynthesize utterances with the vocoder of a variant, with the timing and speaker of the recording.

    Args:
        name: Name of the variant, for the examples.
        blocks: Held-out utterances, some at a time, as ``read_blocks`` yields them.
        vocoder: Vocoder of the variant, which synthesizes the units of the utterances.
        metrics: Metrics that are computed for each utterance.
        f0: F0 extractor for the contours of the examples.
        num_examples: Number of utterances that become examples, the first ones.
        judges: Judges of the resynthesis; none if None.
    """
    sample_rate = metrics.tokenizer.sample_rate
    synthesize = raw_unit_synthesizer(vocoder, sample_rate)
    scores_of_utterances = []
    examples: list[Example] = []
    for utterances in blocks:
        generated = [resynthesize(synthesize, utterance) for utterance in utterances]
        scores_of_utterances += score_block(generated, utterances, metrics, judges)
        for utterance, waveform in zip(utterances, generated, strict=True):
            if len(examples) < num_examples:
                tokens = merge_streams(utterance.units, metrics.tokenizer.streams)
                resynthesis = Sound.from_waveform(waveform, sample_rate, f0, tokens)
                examples.append(_example(utterance, sample_rate, f0, {name: resynthesis}))
    return VariantResynthesis(gather_scores(scores_of_utterances), examples)


def _example(utterance: ResynthesisItem, sample_rate: int, f0: F0Extractor, sounds: Mapping[str, Sound]) -> Example:
    return Example(
        id=utterance.id,
        text=utterance.text,
        speaker=utterance.speaker or "",
        style=utterance.style or "",
        seconds=round(len(utterance.waveform) / sample_rate, 3),
        sounds={ORIGINAL: Sound.from_waveform(utterance.waveform, sample_rate, f0), **sounds},
    )


def judge_anchors(
    blocks: Iterable[list[ResynthesisItem]], judges: SpeechJudges, griffin_lim: Synthesizer | None, sample_rate: int
) -> dict[str, dict[str, ItemScores]]:
    """Return what judges say of the recordings and of Griffin-Lim, the upper and lower anchors of a comparison.

    Args:
        blocks: Held-out utterances, some at a time, as ``read_blocks`` yields them.
        judges: Judges of the speech.
        griffin_lim: Synthesizer of units without a trained vocoder; None leaves it out.
        sample_rate: Sample rate of the recordings and of the synthesizer, in Hz.
    """
    synthesizers = {} if griffin_lim is None else {GRIFFIN_LIM: griffin_lim}
    return judge_systems(blocks, {ORIGINALS: None, **synthesizers}, judges, sample_rate)


def join_examples(variants: Sequence[VariantResynthesis]) -> list[Example]:
    """Return one example for each utterance, with the resyntheses of all variants.

    Args:
        variants: Results of the variants, whose examples are the same utterances in the same order.
    """
    joined = variants[0].examples
    for variant in variants[1:]:
        joined = [example.with_sounds_of(other) for example, other in zip(joined, variant.examples, strict=True)]
    return joined


def require_same_utterances(rows: Mapping[str, Sequence[TokenRow]]) -> None:
    """Check that all variants have the same held-out utterances in the same order.

    Args:
        rows: Held-out utterances of each variant, the baseline first.

    Raises:
        ValueError: If the utterances of a variant differ from those of the baseline.
    """
    baseline, *others = rows
    expected = [row.id for row in rows[baseline]]
    for name in others:
        if [row.id for row in rows[name]] != expected:
            raise ValueError(
                f"the vocoders of {baseline} and {name} held out different utterances: set the same "
                "held_out, segment_units and seed in their data"
            )


def resynthesis_measures(
    scores: Mapping[str, Mapping[str, ItemScores]], seed: int = 0, unseen: bool = False
) -> list[Measure]:
    """Return a measure for each metric of resynthesis that the baseline has, with differences from the baseline.

    Args:
        scores: Scores of the utterances by variant and metric, the baseline first.
        seed: Seed of the bootstraps.
        unseen: Whether the speakers were excluded from all training; keys then end in ``_unseen``.
    """
    measures = []
    for metric in MEASURES:
        scores_by_variant = {}
        for name, scores_of_variant in scores.items():
            if metric in scores_of_variant:
                scores_by_variant[name] = scores_of_variant[metric]
        if next(iter(scores)) in scores_by_variant:
            measure = _measure(metric, scores_by_variant, seed, unseen)
            if measure.values:
                measures.append(measure)
    return measures


def _measure(metric: str, scores: Mapping[str, ItemScores], seed: int, unseen: bool) -> Measure:
    """Return the measure of one metric from the scores by variant, the baseline first; empty scores are left out."""
    title, better = MEASURES[metric]
    baseline_name, baseline = next(iter(scores.items()))
    estimates = {}
    differences = {}
    for name, scores_of_variant in scores.items():
        if scores_of_variant.is_empty:
            continue
        estimates[name] = scores_of_variant.estimate(seed)
        if name != baseline_name and not baseline.is_empty:
            differences[name] = scores_of_variant.minus(baseline, seed)
    return Measure(
        key=f"{metric}_unseen" if unseen else metric,
        section=RESYNTHESIS_UNSEEN if unseen else RESYNTHESIS,
        title=title,
        values=estimates,
        differences=differences,
        better=better,
        trained=VOCODERS,
    )


def mean_score(scores: Mapping[str, ItemScores], metric: str) -> float:
    """Return the mean of a metric over the utterances; NaNs, of utterances without a score, are skipped."""
    return float(np.nanmean(scores[metric].numerators))
