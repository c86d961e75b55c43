"""Resynthesis of held-out speech from its units, and its distance from the recording."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import jiwer
import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.evaluation.judges.classifiers import StyleJudge
from zoo.evaluation.statistics import ItemScores
from zoo.metrics.mel_distance import MelDistance
from zoo.metrics.speech_quality import named_values
from zoo.metrics.unit_edit_distance import UnitEditDistance
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer

WORD_ERROR_RATE, WORD_ERRORS, WORDS = "word_error_rate", "word_errors", "words"
STYLE_ACCURACY, STYLE_ACCURACY_OF_ORIGINAL = "style_accuracy", "style_accuracy_of_original"


@dataclass(frozen=True)
class HeldOutUtterance:
    """An utterance that no vocoder was trained on.

    Args:
        id: Name of the utterance.
        waveform: Recording, (N,).
        units: Raw units by prefix, (T,), each stream at its own rate.
        speaker: Name of the speaker; None if unknown.
        style: Style of the whole utterance; None if unknown.
        text: Transcript; empty if unknown.
        frames: Raw units by prefix, all at the rate of the first stream, (T,), as vocoder networks take them.
    """

    id: str
    waveform: Tensor
    units: Mapping[str, np.ndarray]
    speaker: str | None = None
    style: str | None = None
    text: str = ""
    frames: Mapping[str, Tensor] = field(default_factory=dict)


# Resynthesizes an utterance, (N,), from everything but its waveform.
Synthesizer = Callable[[HeldOutUtterance], Tensor]


class ResynthesisMetrics:
    """Metrics of resynthesized speech, computed for one utterance at a time so that utterances can be resampled.

    Mel distance and unit edit distance are always among them.

    Args:
        tokenizer: Speech tokenizer whose units were resynthesized, which encodes the resynthesis again.
        metrics: Further metrics by name, whose ``update`` takes generated and reference waveforms (B, N).
        style: Style classifier, for utterances of known style. If None, the style accuracy is not measured.
        recognizer: Recognizer of a waveform (N,), for utterances of known text. If None, the word error rate is not
            measured.
    """

    def __init__(
        self,
        tokenizer: SpeechTokenizer,
        metrics: Mapping[str, Metric] | None = None,
        style: StyleJudge | None = None,
        recognizer: Callable[[Tensor], str] | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.metrics: dict[str, Metric] = {"mel_distance": MelDistance(tokenizer.sample_rate), **(metrics or {})}
        self.style = style
        self.recognizer = recognizer

    @torch.inference_mode()
    def __call__(self, generated: Tensor, utterance: HeldOutUtterance) -> dict[str, float]:
        """Compute all metrics of one utterance.

        Args:
            generated: Resynthesis, (N,), as long as the recording.
            utterance: The utterance, with its recording.

        Returns:
            Values by name, NaN for F0 errors without voiced frames; word errors and reference words instead of their
            ratio.
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
        if self.recognizer is not None and utterance.text:
            alignment = jiwer.process_words(utterance.text, self.recognizer(generated))
            values[WORD_ERRORS] = alignment.substitutions + alignment.deletions + alignment.insertions
            values[WORDS] = alignment.substitutions + alignment.deletions + alignment.hits
        return values

    def _is_of_style(self, style: StyleJudge, waveform: Tensor, expected: str) -> float:
        return float(style(waveform, self.tokenizer.sample_rate) == expected)


def resynthesize(synthesize: Synthesizer, utterance: HeldOutUtterance) -> Tensor:
    """Resynthesize an utterance and cut or pad the result to the length of the recording, (N,)."""
    length = len(utterance.waveform)
    waveform = synthesize(utterance)[:length]
    return torch.nn.functional.pad(waveform, (0, length - len(waveform)))


def measure_resynthesis(
    synthesize: Synthesizer, utterances: Sequence[HeldOutUtterance], metrics: ResynthesisMetrics
) -> dict[str, ItemScores]:
    """Resynthesize utterances and return their scores by metric.

    Args:
        synthesize: Vocoder or other system.
        utterances: Held-out utterances.
        metrics: Metrics that are computed for each utterance.
    """
    return gather_scores([metrics(resynthesize(synthesize, utterance), utterance) for utterance in utterances])


def gather_scores(values: Sequence[Mapping[str, float]]) -> dict[str, ItemScores]:
    """Gather the values of utterances by metric; the word error rate is that of the corpus: errors over words."""
    columns: dict[str, np.ndarray] = {}
    for number, of_utterance in enumerate(values):
        for name, value in of_utterance.items():
            columns.setdefault(name, np.full(len(values), np.nan))[number] = value
    errors = columns.pop(WORD_ERRORS, None)
    words = columns.pop(WORDS, None)
    scores = {name: ItemScores(column) for name, column in columns.items()}
    if errors is not None:
        scores[WORD_ERROR_RATE] = ItemScores(errors, words)
    return scores
