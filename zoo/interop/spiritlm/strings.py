"""Spirit LM's string form of units, with its rules and tolerances (those of its public release).

Units are space-separated strings under ``hubert``, ``pitch`` and ``style``, one a frame before ``units_to_string`` and
one a phonetic token after ``string_to_units``.
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
MISSING_STYLES = (71, 68, 98)
SPEECH_RUN = re.compile(r"(?:\[(?:Hu|Pi|St)\d+\])+")
PIECE = re.compile(r"(?P<marker>\[Text\]|\[Speech\])|(?P<speech>\[(?:Hu|Pi|St)[^\]]*(?:\]|\Z))")


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
        ValueError: A stream that is to be included is missing or is no string.
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
                f"want space-separated units under {stream.key!r}, got {row!r}; there is {', '.join(units) or 'nothing'}"
            )
        previous = None
        for index, unit in enumerate(row.split()):
            if not (stream.dedup and unit == previous):
                timed_tokens.append((index / stream.rate, f"[{prefix}{unit}]"))
            previous = unit
    timed_tokens.sort(key=itemgetter(0))  # stable: at equal times the order of the streams stays
    return "".join(token for _, token in timed_tokens)


def string_to_units(
    string: str, duplicate_hubert_for_multiple_pitch: bool = False, rng: random.Random | None = None
) -> dict[str, str]:
    """Read tokens back: for each phonetic one the pitch and style that hold at it, under the keys that occur.

    Args:
        string: Anything else in it is passed over, as the release does; the last character of a token is not looked at.
        duplicate_hubert_for_multiple_pitch: Whether a pitch token right after another repeats the phonetic unit before them.
        rng: Draws the style where there is pitch and no style at all.

    Raises:
        ValueError: Where repeated phonetic units have no unit to repeat.
    """
    held: dict[str, str | None] = {"Hu": None, "Pi": None, "St": None}
    first: dict[str, str] = {}
    rows: list[dict[str, str | None]] = []
    before = ""
    for item in string.split("["):
        prefix = item[:2]
        if len(item) <= 2 or prefix not in held or not item[2].isdigit():
            continue
        held[prefix] = item[2:-1]
        first.setdefault(prefix, item[2:-1])
        if prefix == "Hu" or (duplicate_hubert_for_multiple_pitch and prefix == before == "Pi"):
            rows.append(dict(held))
        before = prefix
    if "Pi" in first and "St" not in first:
        first["St"] = str((rng or random).choice(MISSING_STYLES))
    if rows and "Hu" not in first:
        raise ValueError(f"{string[:40]!r}: pitch tokens follow each other, and there is no phonetic unit to repeat")
    seen = [prefix for prefix in KEYS if prefix in first or prefix == "Hu"]
    return {
        KEYS[prefix]: " ".join(first[prefix] if row[prefix] is None else row[prefix] for row in rows) for prefix in seen
    }


def does_start_with_speech_token(string: str | None) -> bool:
    """Whether a bracketed token of 5 to 11 characters with a stream's letters comes first; digits are not looked at."""
    return bool(string) and string[0] == "[" and string[1:3] in KEYS and "]" in string[4:11]


def does_end_with_speech_token(string: str | None) -> bool:
    """Whether such a token comes last."""
    start = (string or "").rfind("[")
    return start >= 0 and string[-1] == "]" and 5 <= len(string) - start <= 11 and string[start + 1 : start + 3] in KEYS


def find_prompt_last_speech_start_position(string: str) -> int | None:
    """Where the last unbroken run of speech tokens starts; None where there is none."""
    starts = [run.start() for run in SPEECH_RUN.finditer(string)]
    return starts[-1] if starts else None


def parse_speech_and_text(string: str) -> list[tuple[str, str]]:
    """Split into runs, each with "s" (speech) or "t" (text); modality markers vanish, and equal neighbors become one."""
    pieces, end = [], 0
    for match in PIECE.finditer(string):
        pieces += [(string[end : match.start()], "t"), (match["speech"] or "", "s")]
        end = match.end()
    pieces = [piece for piece in [*pieces, (string[end:], "t")] if piece[0]]
    return [("".join(text for text, _ in group), kind) for kind, group in groupby(pieces, key=lambda piece: piece[1])]
