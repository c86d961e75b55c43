"""Judges of the held-out speech of a run: of the recordings, and of their resynthesis from units."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from zoo.audio import read
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.resynthesis import (
    BLOCK,
    ResynthesisItem,
    Synthesizer,
    gather_scores,
    judge_waveforms,
    other_of_speaker,
    resynthesize,
)
from zoo.evaluation.statistics import ItemScores
from zoo.resampling import resample
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import TokenTable
from zoo.vocoder.vocoder import Vocoder

NUM_UTTERANCES = 200  # that are judged by default


def raw_unit_synthesizer(vocoder: Vocoder, sample_rate: int) -> Synthesizer:
    """Return a synthesizer with the timing and speaker of the recording; unknown speakers get the default voice.

    Args:
        vocoder: Vocoder, whose own sample rate may be another one.
        sample_rate: Sample rate of the result and of the recordings, in Hz.
    """

    def synthesize(utterance: ResynthesisItem) -> Tensor:
        speaker = utterance.speaker if utterance.speaker in vocoder.speakers else None
        waveform = vocoder(utterance.units, speaker, predict_durations=False)
        return resample(waveform, vocoder.sample_rate, sample_rate)

    return synthesize


def read_blocks(rows: Sequence[TokenRow], sample_rate: int, title: str) -> Iterator[list[ResynthesisItem]]:
    """Yield tokenized utterances with their audio and another recording of their speaker, some at a time.

    Args:
        rows: Tokenized utterances with audio.
        sample_rate: Sample rate of the waveforms, in Hz.
        title: Title of the progress bar.
    """
    others = other_of_speaker([row.speaker for row in rows])
    numbers = tqdm(range(0, len(rows), BLOCK), desc=title, unit="block", mininterval=1.0, delay=2.0)
    for start in numbers:
        block = []
        for row, other in list(zip(rows, others, strict=True))[start : start + BLOCK]:
            other_recording = None if other is None else _read(rows[other], sample_rate)
            utterance = ResynthesisItem(
                row.id,
                _read(row, sample_rate),
                row.units,
                row.speaker,
                row.style,
                row.text,
                language=row.language,
                other_recording=other_recording,
            )
            block.append(utterance)
        yield block


def _read(row: TokenRow, sample_rate: int) -> Tensor:
    return read(Path(row.audio), sample_rate, row.start, row.duration)


def judge_systems(
    blocks: Iterable[list[ResynthesisItem]],
    systems: Mapping[str, Synthesizer | None],
    judges: SpeechJudges,
    sample_rate: int,
) -> dict[str, dict[str, ItemScores]]:
    """Return what judges say of the same utterances by several systems.

    Args:
        blocks: Held-out utterances, some at a time.
        systems: Synthesizers by name; None stands for the recordings themselves.
        judges: Judges of the speech.
        sample_rate: Sample rate of the recordings and of the synthesizers, in Hz.

    Returns:
        Scores of the utterances, by system and measure.
    """
    values: dict[str, list[dict[str, float]]] = {name: [] for name in systems}
    for utterances in blocks:
        for name, synthesize in systems.items():
            waveforms = []
            for utterance in utterances:
                waveforms.append(resynthesize(synthesize, utterance) if synthesize else utterance.waveform)
            values[name] += judge_waveforms(waveforms, utterances, judges, sample_rate)
    return {name: gather_scores(of_system) for name, of_system in values.items()}


def estimates_of(scores: Mapping[str, ItemScores], seed: int = 0) -> dict[str, Any]:
    """Return the estimate of each measure, as reports have it; measures without a score are left out."""
    estimates = {}
    for measure, item_scores in scores.items():
        if not item_scores.is_empty:
            estimates[measure] = item_scores.estimate(seed).named(measure)
    return estimates


def evaluate_resynthesis(
    vocoder: Vocoder, tokens: Path, judges: SpeechJudges, limit: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Judge recordings of the dev split of a tokenized corpus, and their resynthesis from units by a vocoder.

    Args:
        vocoder: Vocoder of the units.
        tokens: Folder filled by a tokens stage.
        judges: Judges of the speech.
        limit: Number of utterances, spread evenly over the split. Defaults to 200.
        seed: Seed of the intervals.

    Raises:
        ValueError: If no utterance of the split names its audio.
    """
    rows = [row for row in TokenTable(tokens, "dev") if row.audio]
    if not rows:
        raise ValueError(f"{tokens}: no utterance of the dev split names its audio, which is compared with")
    spread = np.linspace(0, len(rows) - 1, min(len(rows), limit or NUM_UTTERANCES)).astype(int)
    rows = [rows[number] for number in spread]
    blocks = read_blocks(rows, vocoder.sample_rate, "resynthesis")
    systems = {"recordings": None, "resynthesis": raw_unit_synthesizer(vocoder, vocoder.sample_rate)}
    scores = judge_systems(blocks, systems, judges, vocoder.sample_rate)
    return {
        "task": "resynthesis",
        **{name: estimates_of(of_system, seed) for name, of_system in scores.items()},
        "in_default_voice": sum(row.speaker not in vocoder.speakers for row in rows),
        "left_out": judges.absent(),
        "items": [row.id for row in rows],
    }
