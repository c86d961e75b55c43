"""Comparison of vocoders on held-out speech, with an untrained network and Griffin-Lim as baselines."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from zoo.audio import write
from zoo.evaluation.judges.speech_judges import SPEAKER_SIMILARITY, SpeechJudges
from zoo.evaluation.resynthesis import (
    ResynthesisItem,
    ResynthesisMetrics,
    Synthesizer,
    gather_scores,
    judge_waveforms,
    measure_resynthesis,
)
from zoo.evaluation.statistics import ItemScores
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.reports import estimate_cell, markdown_table, speech_kind
from zoo.seeds import seeded
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.merged_streams import merge
from zoo.tokens.units import Stream
from zoo.vocoder.griffin_lim import UnitMelTable
from zoo.vocoder.vocoder import Vocoder

HIGHER_IS_BETTER = (SPEAKER_SIMILARITY, "dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "plcmos", "pesq", "stoi")
ORIGINAL, UNTRAINED, GRIFFIN_LIM = "original", "untrained", "griffin-lim"
PREDICTED_DURATIONS = "unit_edit_distance_durations_predicted"

Scores = Mapping[str, ItemScores]


def vocoder_synthesizer(vocoder: Vocoder) -> Synthesizer:
    """Return a synthesizer that runs a vocoder on the frames, speaker and style of the recording."""

    def synthesize(utterance: ResynthesisItem) -> Tensor:
        frames = {stream.prefix: utterance.frames[stream.prefix].unsqueeze(0) for stream in vocoder.streams}
        speaker = _index(vocoder.speakers, utterance.speaker, vocoder.default_speaker)
        style = _index(vocoder.styles, utterance.style, vocoder.default_style)
        with torch.inference_mode():
            return vocoder.generator(frames, torch.tensor([speaker]), torch.tensor([style]))[0]

    return synthesize


def _index(names: Sequence[str], name: str | None, default: int) -> int:
    return names.index(name) if name in names else default


def untrained_like(vocoder: Vocoder, seed: int) -> Vocoder:
    """Return a vocoder of the same architecture with random weights."""
    with seeded(seed):
        generator = type(vocoder.generator).from_config(vocoder.generator.config)
        return Vocoder(generator, vocoder.streams, speakers=vocoder.speakers)


def griffin_lim_synthesizer(utterances: Iterable[ResynthesisItem], stream: Stream, sample_rate: int) -> Synthesizer:
    """Return a synthesizer that applies Griffin-Lim to the mean spectrum of each phonetic unit.

    Args:
        utterances: Training utterances that the spectra are averaged over.
        stream: The phonetic stream.
        sample_rate: Sample rate of the waveforms, in Hz.
    """
    table = UnitMelTable(stream.size, stream.rate, sample_rate)
    for utterance in utterances:
        table.add(_units(utterance, stream), utterance.waveform)

    def synthesize(utterance: ResynthesisItem) -> Tensor:
        return table(_units(utterance, stream))

    return synthesize


def _units(utterance: ResynthesisItem, stream: Stream) -> Tensor:
    return torch.from_numpy(np.asarray(utterance.units[stream.prefix], dtype=np.int64))


@dataclass(frozen=True)
class SystemScores:
    """Scores and speed of one vocoder or baseline.

    Args:
        scores: Scores of the utterances by metric.
        real_time_factor: Seconds of computation per second of speech.
    """

    scores: dict[str, ItemScores]
    real_time_factor: float


def score_systems(
    synthesizers: Mapping[str, Synthesizer],
    utterances: Sequence[ResynthesisItem],
    metrics: ResynthesisMetrics,
    judges: SpeechJudges | None = None,
) -> dict[str, SystemScores]:
    """Score several synthesizers on the same utterances, and measure their real-time factors.

    Args:
        synthesizers: Synthesizers by name.
        utterances: Held-out utterances.
        metrics: Metrics of each.
        judges: Judges of each; none if None.
    """
    seconds = sum(len(utterance.waveform) for utterance in utterances) / metrics.tokenizer.sample_rate
    systems = {}
    for name, synthesize in tqdm(synthesizers.items(), "vocoders", mininterval=1.0):
        started = time.perf_counter()
        for utterance in utterances:
            synthesize(utterance)
        factor = round((time.perf_counter() - started) / seconds, 5)
        systems[name] = SystemScores(measure_resynthesis(synthesize, utterances, metrics, judges), factor)
    return systems


def judge_originals(
    utterances: Sequence[ResynthesisItem], judges: SpeechJudges, sample_rate: int
) -> dict[str, ItemScores]:
    """Return what judges say of the recordings, the upper anchor of a comparison."""
    recordings = [utterance.waveform for utterance in utterances]
    return gather_scores(judge_waveforms(recordings, utterances, judges, sample_rate))


def synthesize_with_predicted_durations(vocoder: Vocoder, utterances: Sequence[ResynthesisItem]) -> list[Tensor]:
    """Resynthesize utterances from deduplicated tokens, (N,) each, by a vocoder with a duration predictor."""
    waveforms = []
    for utterance in utterances:
        speaker = utterance.speaker if utterance.speaker in vocoder.speakers else None
        waveforms.append(vocoder(merge(utterance.units, vocoder.streams), speaker))
    return waveforms


@torch.inference_mode()
def edit_distances(
    waveforms: Sequence[Tensor], utterances: Sequence[ResynthesisItem], tokenizer: SpeechTokenizer
) -> ItemScores:
    """Measure the unit edit distance of resynthesis of any duration, (N,) each, from the units of the recordings."""
    phonetic = tokenizer.streams[0].prefix
    distances = []
    for waveform, utterance in zip(waveforms, utterances, strict=True):
        distance = UnitEditDistance()
        distance.update(tokenizer.encode(waveform)[phonetic], utterance.units[phonetic])
        distances.append(distance.compute().item())
    return ItemScores(np.array(distances))


def figures(scores: Mapping[str, Scores], seed: int) -> dict[str, dict[str, Any]]:
    """Return the mean of each metric, by system, as JSON; metrics without a score are left out."""
    systems = {}
    for name, by_metric in scores.items():
        systems[name] = _estimates(by_metric, seed)
    return systems


def differences(scores: Mapping[str, Scores], name: str, seed: int) -> dict[str, dict[str, Any]]:
    """Return the paired differences of system ``name`` from each other system, as JSON."""
    by_system = {}
    for other, baseline in scores.items():
        if other == name:
            continue
        gaps = {}
        for metric in baseline:
            if metric in scores[name]:
                gap = scores[name][metric].numerators - baseline[metric].numerators
                gaps[metric] = ItemScores(gap, baseline[metric].denominators)
        by_system[other] = _estimates(gaps, seed)
    return by_system


def _estimates(scores: Scores, seed: int) -> dict[str, Any]:
    estimates = {}
    for metric, item_scores in scores.items():
        if not item_scores.is_empty:
            estimates[metric] = item_scores.estimate(seed).named("mean")
    return estimates


def write_audio(
    out: Path, synthesizers: Mapping[str, Synthesizer], utterances: Sequence[ResynthesisItem], sample_rate: int
) -> None:
    """Write each utterance as recorded and as resynthesized by each system, as WAV files."""
    for number, utterance in enumerate(utterances):
        write(out / f"{number}_original.wav", utterance.waveform, sample_rate)
        for name, synthesize in synthesizers.items():
            write(out / f"{number}_{name.replace(' ', '_')}.wav", synthesize(utterance), sample_rate)


def vocoders_markdown(report: Mapping[str, Any], audio: Path) -> str:
    """Format a report as Markdown.

    Args:
        report: Contents of ``report.json``.
        audio: Folder of the WAV files.
    """
    metrics = list(dict.fromkeys(metric for by_metric in report["systems"].values() for metric in by_metric))
    titles = [metric.replace("_", " ") for metric in metrics]
    rows = [["vocoder", *titles, "training, s", "real-time factor"]]
    for name, by_metric in report["systems"].items():
        seconds = report["training_seconds"].get(name)
        training = "" if seconds is None else f"{seconds:.0f}"
        factor = report["real_time_factor"].get(name)
        rows.append([name, *_cells(by_metric, metrics), training, "" if factor is None else f"{factor:.4f}"])
    gaps = [["difference", *titles]]
    for name, others in report["differences"].items():
        for other, by_metric in others.items():
            gaps.append([f"{name} less {other}", *_cells(by_metric, metrics)])
    higher = ", ".join(name.replace("_", " ") for name in HIGHER_IS_BETTER)
    absent = "".join(f"Not measured: {what} ({reason}).\n\n" for what, reason in report.get("absent", {}).items())
    return (
        f"# Vocoders\n\n{report['utterances']} utterances ({report['seconds']} s) of "
        f"{speech_kind(report['synthetic_speech'])}, held out from training, by speakers of the training data, "
        "resynthesized from their raw units. Mean and 95% interval over utterances; error rates are those of the "
        f"corpus. Higher is better for {higher}, lower for all else. Log-F0 errors are in octaves.\n\n{absent}"
        f"{markdown_table(rows)}\n\nPaired differences:\n\n{markdown_table(gaps)}\n\nAudio: {audio}/*.wav.\n"
    )


def _cells(by_metric: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    return [estimate_cell(by_metric.get(metric), "mean") for metric in metrics]
