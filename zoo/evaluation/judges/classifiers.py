"""Classifiers of the sentiment, emotion or style of generated text and speech."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import pipeline

from zoo.audio import resample
from zoo.evaluation.judges.checkpoints import require_checkpoint
from zoo.optional_packages import require_package
from zoo.speech.style_units import StyleClassifier, StyleUnits

VADER = "vader"
VADER_THRESHOLD = 0.05
# Label of a text.
TextClassifier = Callable[[str], str]
# Label of a waveform (N,) at a sample rate in Hz.
SpeechClassifier = Callable[[Tensor, int], str]


def best_label(scores: Sequence[Any]) -> tuple[float, str]:
    """Return the score and lower-case name of the most likely label, the first one of a tie.

    Args:
        scores: Output of a classification pipeline, ``[{"label": ..., "score": ...}]``, or a list that contains it.
    """
    rows = scores[0] if isinstance(scores[0], (list, tuple)) else scores
    best = max(rows, key=lambda row: row["score"])
    return best["score"], best["label"].lower()


class PretrainedTextClassifier:
    """Text classification by a transformers checkpoint.

    Args:
        checkpoint: Name or folder of a sequence classifier.
        labels: Map from the checkpoint's labels, in lower case, to the wanted ones; labels not in it are kept.
    """

    def __init__(self, checkpoint: str, labels: Mapping[str, str] | None = None) -> None:
        require_checkpoint("text classifier", checkpoint)
        self.pipeline = pipeline("text-classification", model=checkpoint, top_k=None, trust_remote_code=False)
        self.labels = dict(labels or {})

    def __call__(self, text: str) -> str:
        """Return the most likely label of a text."""
        _, label = best_label(self._scores(text))
        return self.labels.get(label, label)

    def score(self, text: str, label: str) -> float:
        """Return the probability of one label; the case of its name does not matter.

        Raises:
            ValueError: If the checkpoint has no label of that name.
        """
        scores = {row["label"].lower(): row["score"] for row in self._scores(text)}
        if label.lower() not in scores:
            raise ValueError(f"the classifier has no label {label!r}; it has {', '.join(scores)}")
        return float(scores[label.lower()])

    def _scores(self, text: str) -> list[dict[str, Any]]:
        outputs: Any = self.pipeline([text])
        return outputs[0]


class PretrainedSpeechClassifier:
    """Speech classification by a transformers checkpoint.

    Args:
        checkpoint: Name or folder of an audio classifier.
        labels: Map from the checkpoint's labels, in lower case, to the wanted ones, such as ``EMOTION_TO_SENTIMENT``;
            labels not in it are kept.
    """

    def __init__(self, checkpoint: str, labels: Mapping[str, str] | None = None) -> None:
        require_checkpoint("speech classifier", checkpoint)
        self.pipeline = pipeline("audio-classification", model=checkpoint, top_k=None, trust_remote_code=False)
        self.labels = dict(labels or {})

    def __call__(self, waveform: Tensor, sample_rate: int) -> str:
        """Return the most likely label of a waveform (N,) at ``sample_rate`` Hz."""
        feature_extractor: Any = self.pipeline.feature_extractor
        wanted_rate = feature_extractor.sampling_rate
        samples: np.ndarray = resample(waveform.cpu(), sample_rate, wanted_rate).numpy()
        _, label = best_label(self.pipeline(samples))
        return self.labels.get(label, label)


class StyleJudge:
    """Speech classification by a style classifier that the style recipe trained.

    Args:
        style: Style units with a classifier whose labels are styles, such as
            ``StyleUnits.load(run / "classifier" / "style")``.
        labels: Map from its labels to the wanted ones, such as ``EMOTION_TO_SENTIMENT``; labels not in it are kept.

    Raises:
        ValueError: If the classifier has no labels.
    """

    def __init__(self, style: StyleUnits, labels: Mapping[str, str] | None = None) -> None:
        if not isinstance(style.head, StyleClassifier) or style.head.labels is None:
            raise ValueError(
                "speech is judged by a classifier with labels; these style units are clusters, or have none"
            )
        self.style = style
        self.head: StyleClassifier = style.head
        self.style_labels: list[str] = style.head.labels
        self.labels = dict(labels or {})

    @torch.inference_mode()
    def __call__(self, waveform: Tensor, sample_rate: int) -> str:
        """Return the most likely label over all seconds of a waveform (N,) at ``sample_rate`` Hz.

        A waveform that is too short for the style encoder is padded with zeros.
        """
        samples = resample(waveform.float(), sample_rate, self.style.sample_rate)
        num_padding = max(0, self.style.min_samples - len(samples))
        samples = torch.nn.functional.pad(samples, (0, num_padding)).to(self.style.device)
        features = self.style.encoder(samples[None])
        logits = self.head(features, self.style.frames_per_unit)[0]  # (seconds, labels)
        label = self.style_labels[int(logits.mean(0).argmax())]
        return self.labels.get(label, label)


class VaderClassifier:
    """Sentiment of English text by the rules and lexicon of VADER (Hutto and Gilbert 2014).

    Raises:
        ValueError: If the package vaderSentiment is not installed.
    """

    def __init__(self) -> None:
        require_package("vaderSentiment", "VADER", "judges")
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self.analyzer = SentimentIntensityAnalyzer()

    def __call__(self, text: str) -> str:
        """Return positive, negative or neutral, by the thresholds of the authors."""
        compound = self.analyzer.polarity_scores(text)["compound"]
        if abs(compound) < VADER_THRESHOLD:
            return "neutral"
        return "positive" if compound > 0 else "negative"


class WordsClassifier:
    """Text classification by keywords: the label with the most keywords in the text.

    Args:
        words: Keywords by label.
        default: Label of texts where no label has the most keywords.
    """

    def __init__(self, words: Mapping[str, list[str]], default: str = "neutral") -> None:
        self.words = {label: set(keywords) for label, keywords in words.items()}
        self.default = default

    def __call__(self, text: str) -> str:
        """Return the label of a text."""
        text_words = text.lower().split()
        counts = {label: sum(word in keywords for word in text_words) for label, keywords in self.words.items()}
        highest = max(counts.values(), default=0)
        best_labels = [label for label, count in counts.items() if count == highest]
        if highest == 0 or len(best_labels) > 1:
            return self.default
        return best_labels[0]
