"""Units of several streams merged into one sequence of tokens in order of time, and its string form."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.tokens.units import Stream, runs

TOKEN = re.compile(r"\[([A-Za-z]{2})(\d+)\]")


@dataclass(frozen=True)
class Tokens:
    """Streams merged into one sequence in order of time.

    Args:
        streams: All streams of the tokenizer.
        stream: Index in ``streams`` of the stream of each token, (N,).
        unit: Unit of each token, (N,).
        time: Start of each token in seconds, (N,); None if only the order is known, as after parsing.
    """

    streams: tuple[Stream, ...]
    stream: np.ndarray
    unit: np.ndarray
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.unit)

    def __str__(self) -> str:
        """Return the string form, such as ``[Hu12][Hu7]``."""
        prefixes = [stream.prefix for stream in self.streams]
        tokens = zip(self.stream.tolist(), self.unit.tolist(), strict=True)
        return "".join(f"[{prefixes[stream]}{unit}]" for stream, unit in tokens)

    def of(self, prefix: str) -> np.ndarray:
        """Return the units of one stream in order, (M,)."""
        index = [stream.prefix for stream in self.streams].index(prefix)
        return self.unit[self.stream == index]

    def times(self) -> np.ndarray:
        """Return the start of each token in seconds, (N,).

        Raises:
            ValueError: Only the order of the tokens is known, as after parsing.
        """
        if self.time is None:
            raise ValueError("these tokens have no times, as after parsing: how long each unit lasts is not known")
        return self.time


def merge(frames: Mapping[str, np.ndarray], streams: Sequence[Stream]) -> Tokens:
    """Deduplicate the streams and merge them by the time of each token's first frame.

    Args:
        frames: Units (T,) by prefix, for every stream.
        streams: Streams in the order of their ids; of tokens that start at the same time, later streams come first.
    """
    stream_parts = []
    unit_parts = []
    time_parts = []
    # The sort by time is stable: tokens that start at the same time stay in the order of concatenation.
    for index, stream in reversed(list(enumerate(streams))):
        units = np.asarray(frames[stream.prefix], dtype=np.int64)
        starts = runs(units)[0] if stream.dedup else np.arange(len(units))
        stream_parts.append(np.full(len(starts), index))
        unit_parts.append(units[starts])
        time_parts.append(stream.times(len(units))[starts])
    times = np.concatenate(time_parts)
    order = np.argsort(times, kind="stable")
    return Tokens(
        streams=tuple(streams),
        stream=np.concatenate(stream_parts)[order],
        unit=np.concatenate(unit_parts)[order],
        time=times[order],
    )


def unmerge(tokens: Tokens, counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Invert ``merge``: return the unit of every frame, (T,) by prefix.

    Args:
        tokens: Tokens with their times.
        counts: Number of frames of each stream by prefix, which determines the length of its last token.

    Raises:
        ValueError: The tokens have no times, or their times contradict the counts.
    """
    times = tokens.times()
    frames = {}
    for index, stream in enumerate(tokens.streams):
        num_frames = counts[stream.prefix]
        is_in_stream = tokens.stream == index
        # A token lasts from its first frame to the first frame of the next token in its stream.
        starts = np.rint(times[is_in_stream] * (stream.clock or stream.rate)).astype(np.int64)
        lengths = np.diff(starts, append=num_frames)
        starts_late = starts[:1].any()
        has_no_tokens = not len(starts) and num_frames
        if (lengths < 1).any() or starts_late or has_no_tokens:
            raise ValueError(
                f"the {is_in_stream.sum()} {stream.prefix} tokens do not fill {num_frames} frames "
                "from the first on, in order"
            )
        frames[stream.prefix] = tokens.unit[is_in_stream].repeat(lengths)
    return frames


def parse(text: str, streams: Sequence[Stream]) -> Tokens:
    """Read the string form of tokens, such as ``[Hu12][Hu7]``; white space between tokens is allowed.

    Raises:
        ValueError: The text contains anything but tokens of the streams.
    """
    rest = TOKEN.sub("", text).strip()
    if rest:
        raise ValueError(f"{rest[:40]!r} in the units is not of the form [Hu12]")
    indices = {stream.prefix: index for index, stream in enumerate(streams)}
    stream_of_token: list[int] = []
    unit_of_token: list[int] = []
    for prefix, digits in TOKEN.findall(text):
        unit = int(digits)
        if prefix not in indices:
            raise ValueError(f"[{prefix}{unit}]: no stream {prefix!r}; this tokenizer has {', '.join(indices)}")
        size = streams[indices[prefix]].size
        if unit >= size:
            raise ValueError(f"[{prefix}{unit}]: {prefix} units are 0 to {size - 1}")
        stream_of_token.append(indices[prefix])
        unit_of_token.append(unit)
    return Tokens(
        streams=tuple(streams),
        stream=np.array(stream_of_token, dtype=np.int64),
        unit=np.array(unit_of_token, dtype=np.int64),
    )
