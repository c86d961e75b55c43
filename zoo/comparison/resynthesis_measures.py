"""Measures of resynthesis for a comparison: each variant resynthesizes the same utterances with its own vocoder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm import tqdm

from zoo.audio import read
from zoo.comparison.measures import RESYNTHESIS, RESYNTHESIS_UNSEEN, VOCODERS, Measure
from zoo.comparison.resynthesis_examples import ORIGINAL, Example, Sound
from zoo.evaluation.judges.speech_judges import (
    CHARACTER_ERROR_RATE,
    SPEAKER_SIMILARITY,
    WORD_ERROR_RATE,
    SpeechJudges,
)
from zoo.evaluation.resynthesis import (
    BLOCK,
    STYLE_ACCURACY,
    ResynthesisItem,
    ResynthesisMetrics,
    Synthesizer,
    gather_scores,
    judge_waveforms,
    other_of_speaker,
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
    rows: Sequence[TokenRow],
    vocoder: Vocoder,
    metrics: ResynthesisMetrics,
    f0: F0Extractor,
    num_examples: int = 3,
    judges: SpeechJudges | None = None,
) -> VariantResynthesis:
    """Resynthesize tokenized utterances with the vocoder of a variant, with the timing and speaker of the recording.

    Args:
        name: Name of the variant, for the progress bar and the examples.
        rows: Held-out utterances. The default voice is used for speakers that the vocoder was not trained on.
        vocoder: Vocoder of the variant, which synthesizes the units of ``rows``.
        metrics: Metrics that are computed for each utterance.
        f0: F0 extractor for the contours of the examples.
        num_examples: Number of utterances that become examples, the first ones.
        judges: Judges of the resynthesis; none if None.
    """

    def synthesize(utterance: ResynthesisItem) -> Tensor:
        speaker = utterance.speaker if utterance.speaker in vocoder.speakers else None
        return vocoder(utterance.units, speaker, predict_durations=False)

    scores_of_utterances = []
    examples: list[Example] = []
    for utterances in read_blocks(rows, vocoder.sample_rate, f"resynthesis by {name}"):
        generated = [resynthesize(synthesize, utterance) for utterance in utterances]
        scores_of_utterances += score_block(generated, utterances, metrics, judges)
        for utterance, waveform in zip(utterances, generated, strict=True):
            if len(examples) < num_examples:
                tokens = merge_streams(utterance.units, metrics.tokenizer.streams)
                resynthesis = Sound.from_waveform(waveform, vocoder.sample_rate, f0, tokens)
                examples.append(_example(utterance, vocoder.sample_rate, f0, {name: resynthesis}))
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


def read_blocks(rows: Sequence[TokenRow], sample_rate: int, title: str) -> Iterator[list[ResynthesisItem]]:
    """Yield tokenized utterances with their audio and another recording of their speaker, some at a time."""
    others = other_of_speaker([row.speaker for row in rows])
    numbers = tqdm(range(0, len(rows), BLOCK), desc=title, unit="block", mininterval=1.0, delay=2.0)
    for start in numbers:
        block = []
        for row, other in list(zip(rows, others, strict=True))[start : start + BLOCK]:
            voice = None if other is None else _read(rows[other], sample_rate)
            utterance = ResynthesisItem(
                row.id,
                _read(row, sample_rate),
                row.units,
                row.speaker,
                row.style,
                row.text,
                language=row.language,
                other_recording=voice,
            )
            block.append(utterance)
        yield block


def _read(row: TokenRow, sample_rate: int) -> Tensor:
    return read(Path(row.audio), sample_rate, row.start, row.duration)


def judge_anchors(
    rows: Sequence[TokenRow], judges: SpeechJudges, griffin_lim: Synthesizer, sample_rate: int
) -> dict[str, dict[str, ItemScores]]:
    """Return what judges say of the recordings and of Griffin-Lim, the upper and lower anchors of a comparison.

    Args:
        rows: Held-out utterances.
        judges: Judges of the speech.
        griffin_lim: Synthesizer of units without a trained vocoder.
        sample_rate: Sample rate of the synthesizer, in Hz.
    """
    originals = []
    baseline = []
    for utterances in read_blocks(rows, sample_rate, "originals and Griffin-Lim"):
        recordings = [utterance.waveform for utterance in utterances]
        originals += judge_waveforms(recordings, utterances, judges, sample_rate)
        generated = [resynthesize(griffin_lim, utterance) for utterance in utterances]
        baseline += judge_waveforms(generated, utterances, judges, sample_rate)
    return {ORIGINALS: gather_scores(originals), GRIFFIN_LIM: gather_scores(baseline)}


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
