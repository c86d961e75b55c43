"""Judges of the held-out speech of a run: of the recordings, and of their resynthesis from units."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

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
from zoo.tokens.schema import TokenRow
from zoo.vocoder.vocoder import Vocoder


def raw_unit_synthesizer(vocoder: Vocoder) -> Synthesizer:
    """Return a synthesizer with the timing and speaker of the recording; unknown speakers get the default voice."""

    def synthesize(utterance: ResynthesisItem) -> Tensor:
        speaker = utterance.speaker if utterance.speaker in vocoder.speakers else None
        return vocoder(utterance.units, speaker, predict_durations=False)

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
