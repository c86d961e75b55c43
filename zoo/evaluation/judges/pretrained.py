"""Pretrained models of others that judge what a language model says: any transformers checkpoint of the kind."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torchaudio
from torch import Tensor
from transformers import pipeline

from zoo.evaluation.generation.stsp import best_label
from zoo.speech.style_units import StyleClassifier, StyleUnits

TextClassifier = Callable[[str], str]
SpeechClassifier = Callable[[Tensor, int], str]


class PretrainedRecognizer:
    """Speech to text by an ASR checkpoint, such as Whisper or a CTC model.

    Args:
        checkpoint: Name or folder.
        sample_rate: Of the waveforms it will be given, in Hz.
    """

    def __init__(self, checkpoint: str, sample_rate: int = 16000) -> None:
        self.pipeline, self.sample_rate = pipeline("automatic-speech-recognition", model=checkpoint), sample_rate

    def __call__(self, waveform: Tensor) -> str:
        """What is said in a waveform (N,)."""
        return self.pipeline({"raw": waveform.cpu().numpy(), "sampling_rate": self.sample_rate})["text"]


class PretrainedTextClassifier:
    """Label of a text.

    Args:
        checkpoint: Name or folder of a sequence classifier.
        labels: The checkpoint's labels, in lower case, to those wanted; others stay as they are.
    """

    def __init__(self, checkpoint: str, labels: Mapping[str, str] | None = None) -> None:
        self.pipeline, self.labels = pipeline("text-classification", model=checkpoint, top_k=None), dict(labels or {})

    def __call__(self, text: str) -> str:
        label = best_label(self.pipeline([text])[0])[1]
        return self.labels.get(label, label)

    def score(self, text: str, label: str) -> float:
        """Probability of one label, in any case.

        Raises:
            ValueError: Where the checkpoint has none of that name.
        """
        scores = {row["label"].lower(): row["score"] for row in self.pipeline([text])[0]}
        if label.lower() not in scores:
            raise ValueError(f"the classifier has no label {label!r}; it has {', '.join(scores)}")
        return float(scores[label.lower()])


class PretrainedSpeechClassifier:
    """Label of a waveform.

    Args:
        checkpoint: Name or folder of an audio classifier.
        labels: The checkpoint's labels, in lower case, to those wanted, such as ``EMOTION_TO_SENTIMENT``; others stay as they are.
    """

    def __init__(self, checkpoint: str, labels: Mapping[str, str] | None = None) -> None:
        self.pipeline, self.labels = pipeline("audio-classification", model=checkpoint, top_k=None), dict(labels or {})

    def __call__(self, waveform: Tensor, sample_rate: int) -> str:
        """Label of (N,) samples."""
        wanted = self.pipeline.feature_extractor.sampling_rate
        samples: np.ndarray = torchaudio.functional.resample(waveform.cpu(), sample_rate, wanted).numpy()
        label = best_label(self.pipeline(samples))[1]
        return self.labels.get(label, label)


class StyleJudge:
    """Label of a waveform by a style classifier that the style recipe trained.

    Args:
        style: With a classifier whose labels are styles, such as ``StyleUnits.load(run / "classifier" / "style")``.
        labels: Its labels to those wanted, such as ``EMOTION_TO_SENTIMENT``; others stay as they are.

    Raises:
        ValueError: Where it names no styles.
    """

    def __init__(self, style: StyleUnits, labels: Mapping[str, str] | None = None) -> None:
        if not isinstance(style.head, StyleClassifier) or style.head.labels is None:
            raise ValueError(
                "speech is judged by a classifier with labels; these style units are clusters, or have none"
            )
        self.style, self.labels = style, dict(labels or {})

    @torch.inference_mode()
    def __call__(self, waveform: Tensor, sample_rate: int) -> str:
        """Label of (N,) samples: the likeliest over all seconds; what is too short to be heard is padded."""
        samples = torchaudio.functional.resample(waveform.float(), sample_rate, self.style.sample_rate)
        samples = torch.nn.functional.pad(samples, (0, max(0, self.style.min_samples - len(samples)))).to(
            self.style.device
        )
        label = self.style.head.labels[
            int(self.style.head(self.style.encoder(samples[None]), self.style.frames_per_unit)[0].mean(0).argmax())
        ]
        return self.labels.get(label, label)


class WordsClassifier:
    """Label of a text by the words in it: the label with most of its words there, ``otherwise`` where none or a tie is.

    Args:
        words: By label.
        otherwise: A label.
    """

    def __init__(self, words: Mapping[str, list[str]], otherwise: str = "neutral") -> None:
        self.words, self.otherwise = {label: set(some) for label, some in words.items()}, otherwise

    def __call__(self, text: str) -> str:
        said = text.lower().split()
        counts = {label: sum(word in some for word in said) for label, some in self.words.items()}
        best = max(counts.values(), default=0)
        winners = [label for label, count in counts.items() if count == best]
        return winners[0] if best and len(winners) == 1 else self.otherwise
