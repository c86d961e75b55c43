"""Sentiment preservation (STSP): whether what a model goes on with has the sentiment of what it was given.

The labels, files and few-shot draws are those of the official release; other than there, a prompt of few shots ends with
the input that is tested.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

SENTIMENTS = ("negative", "neutral", "positive")
EMOTION_TO_SENTIMENT = {
    "happy": "positive",
    "amused": "positive",
    "angry": "negative",
    "sad": "negative",
    "default": "neutral",
    "neutral": "neutral",
}
EXPRESSO_EMOTION_TO_SENTIMENT = {
    emotion: EMOTION_TO_SENTIMENT[emotion] for emotion in ("happy", "angry", "sad", "default")
}


@dataclass(frozen=True)
class STSPScore:
    """How often predictions are the references' labels.

    Args:
        hits: Of each row that could be scored, (n,).
        excluded: Why each other row was left out of the denominator.
    """

    hits: np.ndarray
    excluded: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """In 0 to 1; not a number where no row could be scored."""
        return float(np.mean(self.hits)) if len(self.hits) else math.nan

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.2f}%"


def sentiment_of(emotion: str, sentiments: Mapping[str, str] = EMOTION_TO_SENTIMENT) -> str:
    """Raises: ValueError at an emotion that the map lacks."""
    if emotion not in sentiments:
        raise ValueError(f"emotion {emotion!r} has no sentiment; the map has {', '.join(sentiments)}")
    return sentiments[emotion]


def select_labels(labels: Sequence[str], wanted: Sequence[str]) -> tuple[list[int], list[str]]:
    """Indices and names, in the classifier's order, of those of its labels that are wanted.

    Raises:
        ValueError: Where it lacks one.
    """
    missing = [label for label in wanted if label not in labels]
    if missing:
        raise ValueError(f"the classifier has no label {missing[0]!r}; it has {', '.join(labels)}")
    indices = sorted(list(labels).index(label) for label in wanted)
    return indices, [labels[i] for i in indices]


def best_label(scores: Sequence[Any]) -> tuple[float, str]:
    """Score and lower-case name of the likeliest of ``[{"label": ..., "score": ...}]``, the first of equal ones; a list around it is taken off."""
    rows = scores[0] if isinstance(scores[0], (list, tuple)) else scores
    best = max(rows, key=lambda row: row["score"])
    return best["score"], best["label"].lower()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a reference or prediction file, one JSON object a line; a blank line is an error, as in the release.

    Raises:
        ValueError: At a line that is no object.
    """
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"{path}:{number}: want one JSON object a line: {error}") from error
    return rows


def read_predictions(path: Path) -> dict[str, str]:
    """Predicted labels by id, ids as text.

    Raises:
        ValueError: At a row without ``id`` or ``pred``, or an id that is there twice.
    """
    found: dict[str, str] = {}
    for number, row in enumerate(read_rows(path), 1):
        for key in ("id", "pred"):
            if key not in row:
                raise ValueError(f"{path}:{number}: a prediction lacks {key!r}")
        if str(row["id"]) in found:
            raise ValueError(f"{path}:{number}: id {row['id']} is predicted twice")
        found[str(row["id"])] = row["pred"]
    return found


def score(
    references: Sequence[Mapping[str, Any]], predictions: Mapping[str, str], label: str = "sentiment"
) -> STSPScore:
    """Compare labels exactly, as the official scorer does.

    Args:
        references: Rows with ``id`` and ``sentiment`` or ``emotion``.
        predictions: By id, as text.
        label: ``sentiment`` (that of the emotion where a row has none) or ``emotion``.

    Raises:
        ValueError: Where there are not as many predictions as references.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references: predict each row once")
    hits, excluded = [], []
    for row in references:
        gold = _gold(row, label)
        if "id" not in row or str(row["id"]) not in predictions:
            excluded.append(f"id {row.get('id')!r} is not predicted")
        elif gold is None:
            excluded.append(f"id {row['id']!r} has no usable {label}")
        else:
            hits.append(gold[0] == predictions[str(row["id"])])
    return STSPScore(np.array(hits, dtype=float), excluded)


def _gold(row: Mapping[str, Any], label: str) -> tuple[Any] | None:
    if label in row:
        return (row[label],)
    emotion = row.get("emotion") if label == "sentiment" else None
    return (EMOTION_TO_SENTIMENT[emotion],) if emotion in EMOTION_TO_SENTIMENT else None


def score_files(references: Path, predictions: Path, label: str = "sentiment") -> STSPScore:
    """Score the official files of one run."""
    return score(read_rows(references), read_predictions(predictions), label)


def draw_shots(sentiments: Sequence[str], num_shots: int, draw: np.random.RandomState) -> list[int]:
    """Rows to show: as many of each sentiment, ``ceil(num_shots / 3)``, sentiment by sentiment in alphabetical order.

    The draws are those of the release for the same state of numpy's generator.

    Args:
        sentiments: Of each row there is.
        num_shots: 0 for none; rounded up to a multiple of the number of sentiments, which is 3.
        draw: Of the choice.

    Raises:
        ValueError: Where a sentiment has too few rows.
    """
    each, chosen = math.ceil(num_shots / len(SENTIMENTS)), []
    for sentiment in sorted({*SENTIMENTS, *sentiments}) if each else []:
        rows = [row for row, one in enumerate(sentiments) if one == sentiment]
        if len(rows) < each:
            raise ValueError(f"{num_shots} shots need {each} rows of each sentiment, but {sentiment} has {len(rows)}")
        chosen += [rows[i] for i in draw.choice(len(rows), size=each, replace=False)]
    return chosen


def shots_string(prompts: Sequence[str], sentiments: Sequence[str], num_shots: int, draw: np.random.RandomState) -> str:
    """The release's few-shot prompt in its string form, a line a shot."""
    return "".join(f"{prompts[row]}\n" for row in draw_shots(sentiments, num_shots, draw))


def shot_string(row: Mapping[str, str], audio: Path, modalities: tuple[str, str], hear: Callable[[Tensor], str]) -> str:
    """One row of the release's few-shot manifest as a line of the prompt: the input, then what a speaker went on with.

    A recording stands for both: its first half is the input, its second half the continuation, at the rate that it has.

    Args:
        row: With ``prompt`` and ``generation``, each a text or the name of a recording.
        audio: Folder of the recordings.
        modalities: ``text`` or ``speech`` of each.
        hear: String of the units of a waveform (N,); empty where it is too short.
    """
    parts = []
    for key, modality, half in zip(("prompt", "generation"), modalities, (0, 1)):
        if modality == "text":
            parts.append(f"[Text]{row[key]}")
        else:
            samples = load_samples(audio / row[key])
            middle = len(samples) // 2
            parts.append(f"[Speech]{hear(samples[middle:] if half else samples[:middle])}")
    return "".join(parts)


def load_samples(path: Path) -> Tensor:
    """The samples of a recording, (N,) float32, at its own rate."""
    return torch.from_numpy(soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1))
