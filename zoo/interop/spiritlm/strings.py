"""Units as strings, with the rules and tolerances of the official Spirit LM release.

Units are space-separated strings under ``hubert``, ``pitch`` and ``style``: one per frame as arguments of
``units_to_string``, one per phonetic token as results of ``string_to_units``.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from zoo.tokens.units import Stream

KEYS = {"Hu": "hubert", "Pi": "pitch", "St": "style"}
STREAMS = (Stream("Hu", 501, 25.0, clock=24.99), Stream("Pi", 64, 12.5), Stream("St", 100, 1.0, dedup=False))
MISSING_STYLES = (71, 68, 98)  # one of them is drawn for speech without style
SPEECH_RUN = re.compile(r"(?:\[(?:Hu|Pi|St)\d+\])+")
SEGMENT = re.compile(r"(?P<marker>\[Text\]|\[Speech\])|(?P<speech>\[(?:Hu|Pi|St)[^\]]*(?:\]|\Z))")


@dataclass(frozen=True)
class StringStream:
    """How one stream of units is merged into a string.

    Args:
        key: Key of the stream in the mapping of units.
        rate: Number of units per second.
        dedup: Whether a unit equal to the one before it is dropped.
    """

    key: str
    rate: float
    dedup: bool


HUBERT = StringStream("hubert", 24.99, True)
PITCH = StringStream("pitch", 12.5, True)
STYLE = StringStream("style", 1.0, False)


def units_to_string(
    units: Mapping[str, str],
    has_pitch: bool = False,
    has_style: bool = False,
    hubert: StringStream = HUBERT,
    pitch: StringStream = PITCH,
    style: StringStream = STYLE,
) -> str:
    """Merge streams by the start time of each unit; of those that start together, style comes first and hubert last.

    Args:
        units: Space-separated units under the keys of the streams.
        has_pitch: Whether to include pitch.
        has_style: Whether to include style.
        hubert: How phonetic units are merged.
        pitch: How pitch units are merged.
        style: How style units are merged.

    Raises:
        ValueError: A stream to be included is missing or is not a string.
    """
    streams = {"St": style} if has_style else {}
    if has_pitch:
        streams["Pi"] = pitch
    streams["Hu"] = hubert
    timed_tokens: list[tuple[float, str]] = []
    for prefix, stream in streams.items():
        row = units.get(stream.key)
        if not isinstance(row, str):
            raise ValueError(
                f"want space-separated units under {stream.key!r}, got {row!r}; "
                f"there is {', '.join(units) or 'nothing'}"
            )
        previous = None
        for index, unit in enumerate(row.split()):
            if not (stream.dedup and unit == previous):
                timed_tokens.append((index / stream.rate, f"[{prefix}{unit}]"))
            previous = unit
    timed_tokens.sort(key=itemgetter(0))  # stable: at equal times the order of the streams is kept
    return "".join(token for _, token in timed_tokens)


def string_to_units(
    string: str, duplicate_hubert_for_multiple_pitch: bool = False, rng: random.Random | None = None
) -> dict[str, str]:
    """Parse tokens: for each phonetic token, the pitch and style in effect at it, under the keys of the streams.

    Before the first pitch or style token, that first one is in effect.

    Args:
        string: Tokens; anything else in it is skipped, as in the release, and so is the last character of a token,
            whatever it is.
        duplicate_hubert_for_multiple_pitch: Whether a pitch token that directly follows another repeats the phonetic
            unit before them.
        rng: Draws the style if there is pitch and no style at all.

    Raises:
        ValueError: A phonetic unit is to be repeated, and there is none.
    """
    current: dict[str, str | None] = {"Hu": None, "Pi": None, "St": None}
    first: dict[str, str] = {}
    rows: list[dict[str, str | None]] = []
    previous_prefix = ""
    for item in string.split("["):
        prefix = item[:2]
        if len(item) <= 2 or prefix not in current or not item[2].isdigit():
            continue
        current[prefix] = item[2:-1]
        first.setdefault(prefix, item[2:-1])
        follows_pitch = prefix == previous_prefix == "Pi"
        if prefix == "Hu" or (duplicate_hubert_for_multiple_pitch and follows_pitch):
            rows.append(dict(current))
        previous_prefix = prefix
    if "Pi" in first and "St" not in first:
        first["St"] = str((rng or random).choice(MISSING_STYLES))
    if rows and "Hu" not in first:
        raise ValueError(f"{string[:40]!r}: pitch tokens follow each other, and there is no phonetic unit to repeat")
    units = {}
    for prefix, key in KEYS.items():
        if prefix in first or prefix == "Hu":
            column = []
            for row in rows:
                unit = row[prefix]
                column.append(first[prefix] if unit is None else unit)
            units[key] = " ".join(column)
    return units


def does_start_with_speech_token(string: str | None) -> bool:
    """Return whether a bracketed token of 5 to 11 characters with a stream's prefix comes first, digits or not."""
    if not string:
        return False
    return string[0] == "[" and string[1:3] in KEYS and "]" in string[4:11]


def does_end_with_speech_token(string: str | None) -> bool:
    """Return whether a bracketed token of 5 to 11 characters with a stream's prefix comes last, digits or not."""
    if not string:
        return False
    start = string.rfind("[")
    return start >= 0 and string[-1] == "]" and 5 <= len(string) - start <= 11 and string[start + 1 : start + 3] in KEYS


def find_prompt_last_speech_start_position(string: str) -> int | None:
    """Return the position at which the last unbroken run of speech tokens starts; None if there is none."""
    position = None
    for run in SPEECH_RUN.finditer(string):
        position = run.start()
    return position


def parse_speech_and_text(string: str) -> list[tuple[str, str]]:
    """Split a string into runs, each with "s" (speech) or "t" (text), as the release does.

    Modality markers are dropped, and runs of the same kind that are then neighbors are joined.
    """
    segments: list[tuple[str, str]] = []
    end = 0
    for match in SEGMENT.finditer(string):
        segments.append((string[end : match.start()], "t"))
        segments.append((match["speech"] or "", "s"))
        end = match.end()
    segments.append((string[end:], "t"))
    nonempty = [segment for segment in segments if segment[0]]
    runs = []
    for kind, group in groupby(nonempty, key=itemgetter(1)):
        runs.append(("".join(content for content, _ in group), kind))
    return runs
