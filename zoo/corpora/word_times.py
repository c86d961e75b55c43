"""Word and phoneme times: parsed as aligners write them, and repaired where that is safe."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoo.corpora.utterance import Interval
from zoo.files import parse_json

# Labels of silences and pauses, which are no words.
SILENCES = ("", "<eps>", "<sil>", "[sil]", "<p:>")
# Aligners round to frames of 10 or 20 ms and see a few frames beyond the end; larger errors are errors.
TOLERANCE_SECONDS = 0.05
# Length that a word of no length gets, where there is room for it.
SHORTEST_SECONDS = 0.02
# Keys of a word in an object, as Whisper and other recognizers write it.
LABEL_KEYS = ("word", "text", "label", "symbol", "phone", "phoneme")


@dataclass(frozen=True)
class RepairedTimes:
    """Times that are in order and within the audio.

    Args:
        intervals: (label, start, end) of each word in seconds.
        repaired: Whether anything was changed, silences aside.
    """

    intervals: tuple[Interval, ...]
    repaired: bool


def parse_intervals(value: Any, column: str) -> tuple[Interval, ...] | None:
    """Parse ``[[word, start_seconds, end_seconds], ...]``; a time that is missing is NaN.

    Args:
        value: The list itself or its JSON, with words as lists or as objects with ``word``, ``start`` and ``end``;
            None, NaN or an empty string where there are no times.
        column: Name of the column, for the message.

    Raises:
        ValueError: The value has another form.
    """
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        # Spreadsheets quote a cell that holds quotes.
        unquoted = value[1:-1].replace('""', '"') if value.startswith('"') else value
        value = parse_json(unquoted, column)
    try:
        return tuple(_interval(item) for item in value)
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise ValueError(f"{column}: want [[word, start_seconds, end_seconds], ...], got {str(value)[:60]}") from error


def _interval(item: Any) -> Interval:
    if isinstance(item, dict):
        label = item[next(filter(item.__contains__, LABEL_KEYS), LABEL_KEYS[0])]
        start = item.get("start")
        end = item.get("end")
    else:
        label, start, end = item
    if label is not None and not isinstance(label, str):
        raise TypeError(f"{label!r} is no text")
    return label or "", _seconds(start), _seconds(end)


def _seconds(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(f"{value} is no time")
    return math.nan if value is None else float(value)


def repair_times(intervals: Sequence[Interval], duration: float) -> RepairedTimes:
    """Return times in order and within the audio.

    Silences are dropped, missing times are interpolated between their neighbors, overlaps of up to 50 ms are divided
    between both words, words of no length are widened to 20 ms where there is room, and times that are up to 50 ms
    outside the audio are moved to its edge.

    Args:
        intervals: (label, start, end) of each word or phoneme in seconds; NaN where a time is missing.
        duration: Duration of the audio in seconds.

    Raises:
        ValueError: The times cannot be repaired safely; the message names the first such word.
    """
    spoken = [interval for interval in intervals if interval[0].strip().lower() not in SILENCES]
    labels = [label for label, _, _ in spoken]
    starts = [start for _, start, _ in spoken]
    ends = [end for _, _, end in spoken]
    for times in (starts, ends):
        if any(math.isinf(time) for time in times):
            raise ValueError("a time is infinite")
    _interpolate(labels, starts, ends, duration)
    _move_into_audio(labels, starts, ends, duration)
    _divide_overlaps(labels, starts, ends)
    _widen(labels, starts, ends, duration)
    result = tuple(zip(labels, starts, ends, strict=True))
    return RepairedTimes(result, result != tuple(spoken))


def _interpolate(labels: list[str], starts: list[float], ends: list[float], duration: float) -> None:
    """Fill in missing times, in place: neighbors share the time between the nearest known times equally."""
    # All times in a row: start and end of the first word, start and end of the second, ...
    times = [time for pair in zip(starts, ends, strict=True) for time in pair]
    num_missing = sum(math.isnan(time) for time in times)
    if num_missing == 0:
        return
    if num_missing > len(times) // 2:
        raise ValueError(f"{num_missing} of {len(times)} times are missing")
    for index in range(len(labels)):
        if not math.isnan(starts[index]) and not math.isnan(ends[index]):
            continue
        last = index
        while last + 1 < len(labels) and math.isnan(ends[last]) and math.isnan(starts[last + 1]):
            last += 1
        begin = starts[index]
        if math.isnan(begin):
            begin = ends[index - 1] if index else 0.0
        finish = ends[last]
        if math.isnan(finish):
            finish = starts[last + 1] if last + 1 < len(labels) else duration
        if finish <= begin:
            raise ValueError(f"no time between its neighbors for {labels[index]!r}, whose times are missing")
        length = (finish - begin) / (last + 1 - index)
        for position in range(index, last + 1):
            starts[position] = round(begin + (position - index) * length, 4)
            ends[position] = round(begin + (position - index + 1) * length, 4)


def _move_into_audio(labels: list[str], starts: list[float], ends: list[float], duration: float) -> None:
    for index, label in enumerate(labels):
        start = starts[index]
        end = ends[index]
        if start < -TOLERANCE_SECONDS or end > duration + TOLERANCE_SECONDS or start >= duration or end < start:
            place = f"{label!r} at {start:g}-{end:g} s"
            raise ValueError(f"{place} is outside the audio of {duration:g} s or ends before it starts")
        starts[index] = max(start, 0.0)
        ends[index] = max(min(end, duration), starts[index])


def _divide_overlaps(labels: list[str], starts: list[float], ends: list[float]) -> None:
    for index in range(1, len(labels)):
        overlap = ends[index - 1] - starts[index]
        if overlap <= 1e-6:
            continue
        if overlap > TOLERANCE_SECONDS + 1e-6 or starts[index] < starts[index - 1]:
            raise ValueError(
                f"{labels[index]!r} at {starts[index]:g} s begins before the one before it ends, "
                f"at {ends[index - 1]:g} s"
            )
        middle = round((ends[index - 1] + starts[index]) / 2, 4)
        ends[index - 1] = min(max(middle, starts[index - 1]), ends[index])
        starts[index] = ends[index - 1]


def _widen(labels: list[str], starts: list[float], ends: list[float], duration: float) -> None:
    for index, label in enumerate(labels):
        if ends[index] > starts[index]:
            continue
        latest = starts[index + 1] if index + 1 < len(labels) else duration
        earliest = ends[index - 1] if index else 0.0
        ends[index] = min(starts[index] + SHORTEST_SECONDS, latest)
        if ends[index] - starts[index] < SHORTEST_SECONDS:
            starts[index] = max(ends[index] - SHORTEST_SECONDS, earliest)
        if ends[index] <= starts[index]:
            raise ValueError(f"{label!r} at {starts[index]:g} s has no length, and there is no room around it")
