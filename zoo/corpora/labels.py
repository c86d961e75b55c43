"""The labels of a row, with their types checked; the one place where this is done for all formats."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.corpora.row import Row, is_missing
from zoo.corpora.utterance import Interval
from zoo.corpora.word_times import parse_intervals

MAX_TEXT_LENGTH = 131_072
CHANNELS = {"0": 0, "1": 1, "2": 2, "3": 3, "A": 0, "B": 1}


@dataclass(frozen=True)
class Labels:
    """Checked labels of a row.

    Args:
        audio: Path of the audio file.
        text: Transcript.
        language: BCP-47.
        style: Emotion or speaking style; None if it is not known.
        words: (word, start, end) of each word in seconds; None where no times are known.
        phonemes: (phoneme, start, end) of each phoneme in seconds; None where no times are known.
        start: Start of the utterance in its file, in seconds; None if it is the whole file.
        duration: Duration of the utterance in seconds; None if it is not written in the row.
        num_samples: Number of samples that the file has by its manifest; None if it is not written there.
        in_samples: Whether start and duration are numbers of samples, not of seconds.
        channel: Channel of the file; None for all.
        times_problem: Why the words or phonemes could not be read; None if they could, or there are none.
    """

    audio: Path
    text: str
    language: str
    style: str | None
    words: tuple[Interval, ...] | None
    phonemes: tuple[Interval, ...] | None
    start: float | None
    duration: float | None
    num_samples: int | None
    in_samples: bool
    channel: int | None
    times_problem: str | None


def read_labels(row: Row, language: str) -> Labels:
    """Return the labels of a row after checking their types.

    Args:
        row: The row.
        language: BCP-47, if the row has none.

    Raises:
        ValueError: The row cannot be used; the message says why.
    """
    if row.problem:
        raise ValueError(row.problem)
    columns = row.columns
    if is_missing(columns.get("audio")):
        raise ValueError(f"no audio; it has {', '.join(columns) or 'nothing'}")
    text = columns.get("text")
    if text is None or text != text:
        raise ValueError('no text (an empty text is "")')
    for name, value in (("audio", columns.get("audio")), ("text", text)):
        if not isinstance(value, str):
            raise ValueError(f"{name} is {str(value)[:60]!r}, want text")
    if len(text) > MAX_TEXT_LENGTH:
        raise ValueError(f"a text of {len(text)} characters, want at most {MAX_TEXT_LENGTH}")
    for name in ("id", "speaker", "language", "style"):
        if isinstance(columns.get(name), (list, dict, bool)):
            raise ValueError(f"{name} is {str(columns[name])[:60]}, want text")
    start, duration = _section(columns)
    times_problem = None
    words = phonemes = None
    try:
        words = parse_intervals(columns.get("words"), "words")
        phonemes = parse_intervals(columns.get("phonemes"), "phonemes")
    except ValueError as error:
        times_problem = str(error)
    labels = Labels(
        audio=row.audio_path(),
        text=" ".join(text.split()),
        language=language if is_missing(columns.get("language")) else str(columns["language"]),
        style=None if is_missing(columns.get("style")) else str(columns["style"]),
        words=words,
        phonemes=phonemes,
        start=start,
        duration=duration,
        num_samples=columns.get("num_samples"),
        in_samples=not is_missing(columns.get("stop")),
        channel=_channel(columns),
        times_problem=times_problem,
    )
    _require_unicode(row, labels)
    return labels


def _section(columns: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return the start and the duration that a row has; None for those that it has not.

    Both are in seconds, but in samples if the row has a ``stop``, as SpeechBrain has it.
    """
    start = _number(columns, "start")
    duration = _number(columns, "duration")
    milliseconds = _number(columns, "duration_ms")
    if duration is None and milliseconds is not None:
        duration = milliseconds / 1000
    end = _number(columns, "end")
    stop = _number(columns, "stop")
    if stop is not None:
        end = stop
        duration = None
    if end is not None and duration is None:
        start = start or 0.0
        duration = end - start
    if start is not None and start < 0:
        raise ValueError(f"start is {start:g}, want at least 0")
    if duration is not None and duration <= 0:
        raise ValueError(f"duration is {duration:g}, want more than 0")
    return start, duration


def _number(columns: dict[str, Any], name: str) -> float | None:
    value = columns.get(name)
    if is_missing(value):
        return None
    try:
        if not isinstance(value, (int, float, str)) or isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} is {_shortened(value)}, want a number of seconds") from None
    if math.isinf(number):
        raise ValueError(f"{name} is infinite, want a number of seconds")
    return None if math.isnan(number) else number


def _shortened(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 100:
        return "a whole number of more than 30 digits"
    return repr(value)[:60]


def _channel(columns: dict[str, Any]) -> int | None:
    value = columns.get("channel")
    if is_missing(value):
        return None
    if isinstance(value, str) and value.strip() in CHANNELS:
        return CHANNELS[value.strip()]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"channel is {str(value)[:20]!r}, want a whole number from 0")


def _require_unicode(row: Row, labels: Labels) -> None:
    """Raise a ValueError if a label has half of a surrogate pair, which no file in UTF-8 can hold."""
    values = {
        "audio": str(labels.audio),
        "id": row.id,
        "text": labels.text,
        "speaker": row.speaker,
        "language": labels.language,
        "style": labels.style or "",
    }
    for name, value in values.items():
        if not is_unicode(value):
            raise ValueError(f"{name} {value[:40]!r} has half of a surrogate pair, which is no character")


def is_unicode(text: str) -> bool:
    """Return whether a text can be written in UTF-8; half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
