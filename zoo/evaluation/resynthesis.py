"""Resynthesis of held-out speech from its units, and its distance from the recording."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.evaluation.judges.classifiers import StyleJudge
from zoo.evaluation.judges.speech_judges import RATIOS, JudgedSpeech, SpeechJudges
from zoo.evaluation.statistics import ItemScores
from zoo.metrics.mel_distance import MelDistance
from zoo.metrics.speech_quality import named_values
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer

# Utterances that are judged at once.
BLOCK = 16
STYLE_ACCURACY, STYLE_ACCURACY_OF_ORIGINAL = "style_accuracy", "style_accuracy_of_original"


@dataclass(frozen=True)
class ResynthesisItem:
    """A recorded utterance, or its beginning, and the units that a vocoder resynthesizes it from.

    Args:
        id: Name of the utterance.
        waveform: Recording, (N,).
        units: Units by prefix, one a frame, before repetitions are removed, (T,); each stream at its own rate.
        speaker: Name of the speaker; None if unknown.
        style: Style of the whole utterance; None if unknown.
        text: Transcript; empty if unknown.
        frames: Raw units by prefix, all at the rate of the first stream, (T,), as vocoder networks take them.
        language: BCP-47 tag of the language of the text; None if unknown.
        other_recording: Another recording of the speaker, (M,), for the speaker similarity; None if there is none.
    """

    id: str
    waveform: Tensor
    units: Mapping[str, np.ndarray]
    speaker: str | None = None
    style: str | None = None
    text: str = ""
    frames: Mapping[str, Tensor] = field(default_factory=dict)
    language: str | None = None
    other_recording: Tensor | None = field(repr=False, default=None)

    def judged(self, generated: Tensor) -> JudgedSpeech:
        """Return generated speech (N,), or the recording itself, as judges take it."""
        return JudgedSpeech(generated, self.other_recording, self.text, self.language)


# Resynthesizes an utterance, (N,), from everything but its waveform.
Synthesizer = Callable[[ResynthesisItem], Tensor]


class ResynthesisMetrics:
    """Metrics of resynthesized speech, computed for one utterance at a time so that utterances can be resampled.

    Mel distance and unit edit distance are always among them.

    Args:
        tokenizer: Speech tokenizer whose units were resynthesized, which encodes the resynthesis again.
        metrics: Further metrics by name, whose ``update`` takes generated and reference waveforms (B, N).
        style: Style classifier, for utterances of known style. If None, the style accuracy is not measured.
    """

    def __init__(
        self,
        tokenizer: SpeechTokenizer,
        metrics: Mapping[str, Metric] | None = None,
        style: StyleJudge | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.metrics: dict[str, Metric] = {"mel_distance": MelDistance(tokenizer.sample_rate), **(metrics or {})}
        self.style = style

    @torch.inference_mode()
    def __call__(self, generated: Tensor, utterance: ResynthesisItem) -> dict[str, float]:
        """Compute all metrics of one utterance.

        Args:
            generated: Resynthesis, (N,), as long as the recording.
            utterance: The utterance, with its recording.

        Returns:
            Values by name, NaN for F0 errors without voiced frames.
        """
        values: dict[str, float] = {}
        for name, metric in self.metrics.items():
            metric.reset()
            metric.update(generated.unsqueeze(0), utterance.waveform.unsqueeze(0))
            values |= {key: value.item() for key, value in named_values(name, metric).items()}
        phonetic = self.tokenizer.streams[0].prefix
        distance = UnitEditDistance()
        distance.update(self.tokenizer.encode(generated)[phonetic], utterance.units[phonetic])
        values["unit_edit_distance"] = distance.compute().item()
        if self.style is not None and utterance.style:
            values[STYLE_ACCURACY] = self._is_of_style(self.style, generated, utterance.style)
            values[STYLE_ACCURACY_OF_ORIGINAL] = self._is_of_style(self.style, utterance.waveform, utterance.style)
        return values

    def _is_of_style(self, style: StyleJudge, waveform: Tensor, expected: str) -> float:
        return float(style(waveform, self.tokenizer.sample_rate) == expected)


def resynthesize(synthesize: Synthesizer, utterance: ResynthesisItem) -> Tensor:
    """Resynthesize an utterance and cut or pad the result to the length of the recording, (N,)."""
    length = len(utterance.waveform)
    waveform = synthesize(utterance)[:length]
    return torch.nn.functional.pad(waveform, (0, length - len(waveform)))


def measure_resynthesis(
    synthesize: Synthesizer,
    utterances: Sequence[ResynthesisItem],
    metrics: ResynthesisMetrics,
    judges: SpeechJudges | None = None,
) -> dict[str, ItemScores]:
    """Resynthesize utterances and return their scores by metric, those of the judges first.

    Args:
        synthesize: Vocoder or other system.
        utterances: Held-out utterances.
        metrics: Metrics that are computed for each utterance.
        judges: Judges of the resynthesis; none if None.
    """
    values = []
    for start in range(0, len(utterances), BLOCK):
        block = utterances[start : start + BLOCK]
        generated = [resynthesize(synthesize, utterance) for utterance in block]
        values += score_block(generated, block, metrics, judges)
    return gather_scores(values)


def score_block(
    generated: Sequence[Tensor],
    utterances: Sequence[ResynthesisItem],
    metrics: ResynthesisMetrics,
    judges: SpeechJudges | None = None,
) -> list[dict[str, float]]:
    """Return the scores of each resynthesized utterance (N,) by name, those of the judges first."""
    sample_rate = metrics.tokenizer.sample_rate
    values = judge_waveforms(generated, utterances, judges, sample_rate)
    for of_utterance, waveform, utterance in zip(values, generated, utterances, strict=True):
        of_utterance |= metrics(waveform, utterance)
    return values


def judge_waveforms(
    generated: Sequence[Tensor], utterances: Sequence[ResynthesisItem], judges: SpeechJudges | None, sample_rate: int
) -> list[dict[str, float]]:
    """Return what judges say of generated waveforms (N,), or of the recordings themselves, by name."""
    if judges is None:
        return [{} for _ in utterances]
    judged = [utterance.judged(waveform) for waveform, utterance in zip(generated, utterances, strict=True)]
    return judges(judged, sample_rate)


def other_of_speaker(speakers: Sequence[str | None]) -> list[int | None]:
    """Return for each utterance the next one of the same speaker, cyclically; None if there is none.

    Args:
        speakers: Speaker of each utterance; None or ``unknown`` if not known.
    """
    others: list[int | None] = []
    for number, speaker in enumerate(speakers):
        following = [*range(number + 1, len(speakers)), *range(number)]
        matches = [other for other in following if speakers[other] == speaker]
        is_known = speaker not in (None, "", "unknown")
        others.append(matches[0] if is_known and matches else None)
    return others


def gather_scores(values: Sequence[Mapping[str, float]]) -> dict[str, ItemScores]:
    """Gather the values of utterances by metric; error rates are those of the corpus: errors over words."""
    columns: dict[str, np.ndarray] = {}
    for number, of_utterance in enumerate(values):
        for name, value in of_utterance.items():
            columns.setdefault(name, np.full(len(values), np.nan))[number] = value
    scores = {}
    for rate, (numerator, denominator) in RATIOS.items():
        if numerator in columns:
            scores[rate] = ItemScores(columns.pop(numerator), columns.pop(denominator))
    return scores | {name: ItemScores(column) for name, column in columns.items()}
