"""The official STSP scorer and few-shot prompts, in the files and draws of the Spirit LM release.

Unlike in the release, few-shot prompts of ``sentiment_preservation`` end with the input that is tested.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from zoo.evaluation.suites.sentiment_suite import EMOTION_TO_SENTIMENT, SENTIMENTS
from zoo.files import parse_json


@dataclass(frozen=True)
class STSPScore:
    """Agreement of predicted and reference labels.

    Args:
        hits: Whether the prediction is the reference label, of each row that could be scored, (n,).
        excluded: Reason why each other row was left out of the denominator.
    """

    hits: np.ndarray
    excluded: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Accuracy in 0 to 1; NaN where no row could be scored."""
        return float(np.mean(self.hits)) if len(self.hits) else math.nan

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.2f}%"


def select_labels(labels: Sequence[str], wanted: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the indices and names, in the classifier's order, of the wanted labels of a classifier.

    Raises:
        ValueError: If the classifier lacks a wanted label.
    """
    missing = [label for label in wanted if label not in labels]
    if missing:
        raise ValueError(f"the classifier has no label {missing[0]!r}; it has {', '.join(labels)}")
    indices = sorted(list(labels).index(label) for label in wanted)
    return indices, [labels[index] for index in indices]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a reference or prediction file, one JSON object a line.

    As in the release, a blank line is an error.

    Raises:
        ValueError: If a line is not JSON.
    """
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            rows.append(parse_json(line, f"{path}:{number}"))
    return rows


def read_predictions(path: Path) -> dict[str, str]:
    """Read predicted labels by id; ids are converted to strings.

    Raises:
        ValueError: If a row lacks ``id`` or ``pred``, or an id occurs twice.
    """
    predictions: dict[str, str] = {}
    for number, row in enumerate(read_rows(path), 1):
        for key in ("id", "pred"):
            if key not in row:
                raise ValueError(f"{path}:{number}: the prediction lacks {key!r}")
        if str(row["id"]) in predictions:
            raise ValueError(f"{path}:{number}: id {row['id']} is predicted twice")
        predictions[str(row["id"])] = row["pred"]
    return predictions


def score_predictions(
    references: Sequence[Mapping[str, Any]], predictions: Mapping[str, str], label: str = "sentiment"
) -> STSPScore:
    """Compare labels exactly, as the official scorer does.

    Args:
        references: Rows with ``id`` and ``sentiment`` or ``emotion``.
        predictions: Predicted labels by id, as strings.
        label: Label to compare: ``sentiment`` (that of the emotion, where a row has none) or ``emotion``.

    Raises:
        ValueError: If there are not as many predictions as references.
    """
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references: predict each row once")
    hits, excluded = [], []
    for row in references:
        has_label, reference = _reference_label(row, label)
        if "id" not in row or str(row["id"]) not in predictions:
            excluded.append(f"id {row.get('id')!r} is not predicted")
        elif not has_label:
            excluded.append(f"id {row['id']!r} has no usable {label}")
        else:
            hits.append(reference == predictions[str(row["id"])])
    return STSPScore(np.array(hits, dtype=float), excluded)


def _reference_label(row: Mapping[str, Any], label: str) -> tuple[bool, Any]:
    """Return whether a row has a usable label, and the label, which may be any JSON value."""
    if label in row:
        return True, row[label]
    emotion = row.get("emotion") if label == "sentiment" else None
    if emotion in EMOTION_TO_SENTIMENT:
        return True, EMOTION_TO_SENTIMENT[emotion]
    return False, None


def score_files(references: Path, predictions: Path, label: str = "sentiment") -> STSPScore:
    """Score the official reference and prediction files of one run."""
    return score_predictions(read_rows(references), read_predictions(predictions), label)


def draw_shots(sentiments: Sequence[str], num_shots: int, draw: np.random.RandomState) -> list[int]:
    """Draw ``ceil(num_shots / 3)`` rows of each sentiment, sentiment by sentiment in alphabetical order.

    The draws are those of the release for the same state of numpy's generator.

    Args:
        sentiments: Sentiment of each row.
        num_shots: Rows to draw, rounded up to a multiple of 3, the number of sentiments; 0 for none.
        draw: Generator of the draws.

    Raises:
        ValueError: If a sentiment has too few rows.
    """
    per_sentiment = math.ceil(num_shots / len(SENTIMENTS))
    if per_sentiment == 0:
        return []
    chosen: list[int] = []
    for sentiment in sorted({*SENTIMENTS, *sentiments}):
        rows = [row for row, row_sentiment in enumerate(sentiments) if row_sentiment == sentiment]
        if len(rows) < per_sentiment:
            raise ValueError(
                f"{num_shots} shots need {per_sentiment} rows of each sentiment, but {sentiment} has {len(rows)}"
            )
        chosen += [rows[index] for index in draw.choice(len(rows), size=per_sentiment, replace=False)]
    return chosen


def shots_string(prompts: Sequence[str], sentiments: Sequence[str], num_shots: int, draw: np.random.RandomState) -> str:
    """Return the release's few-shot prompt as a string, one line for each drawn shot."""
    return "".join(f"{prompts[row]}\n" for row in draw_shots(sentiments, num_shots, draw))


def shot_string(
    row: Mapping[str, str], audio: Path, modalities: tuple[str, str], encode: Callable[[Tensor], str]
) -> str:
    """Return a row of the release's few-shot manifest as a line of the prompt: the input, then its continuation.

    A recording contains both: the first half is the input and the second half the continuation, at the sample rate of
    the file.

    Args:
        row: Row with ``prompt`` and ``generation``, each a text or the name of a recording.
        audio: Folder of the recordings.
        modalities: Modality of input and continuation, ``text`` or ``speech``.
        encode: String of the units of a waveform (N,); empty where the waveform is too short.
    """
    source, target = modalities
    segments = []
    for key, modality, is_second_half in (("prompt", source, False), ("generation", target, True)):
        if modality == "text":
            segments.append(f"[Text]{row[key]}")
            continue
        samples = load_samples(audio / row[key])
        middle = len(samples) // 2
        half = samples[middle:] if is_second_half else samples[:middle]
        segments.append(f"[Speech]{encode(half)}")
    return "".join(segments)


def load_samples(path: Path) -> Tensor:
    """Load a recording at its own sample rate as the mean of its channels, (N,) float32."""
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.mean(axis=1))
