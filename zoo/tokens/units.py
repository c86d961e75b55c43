"""Units: streams of integers that stand for speech, and the one sequence of tokens that they merge into."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

TOKEN = re.compile(r"\[([A-Za-z]{2})(\d+)\]")


@dataclass(frozen=True)
class Stream:
    """One kind of unit, as a tokenizer emits it and a vocabulary numbers it.

    Args:
        prefix: Two letters in the string form: Hu (phonetic), Pi (pitch), St (style).
        size: Units are 0 to ``size`` - 1.
        rate: Units per second.
        dedup: Whether a unit equal to the one before it is dropped from the token sequence.
        clock: Units per second by which tokens are put in order of time; ``rate`` if None. Spirit LM orders its
            25 Hz units by a clock of 24.99, so that a pitch unit precedes the phonetic one of the same time.
    """

    prefix: str
    size: int
    rate: float
    dedup: bool = True
    clock: float | None = None

    def times(self, count: int) -> np.ndarray:
        """Start in seconds of the first ``count`` units, (count,)."""
        return np.arange(count) / (self.clock or self.rate)


def runs(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where runs of equal units start, and how long each is: (T,) -> (N,), (N,)."""
    starts = np.flatnonzero(np.concatenate([[True], units[1:] != units[:-1]])) if len(units) else np.zeros(0, np.int64)
    return starts, np.diff(starts, append=len(units))


@dataclass(frozen=True)
class Tokens:
    """Streams merged into one sequence in order of time.

    Args:
        streams: What ``stream`` indexes.
        stream: Which stream a token is of, (N,).
        unit: Its unit, (N,).
        time: Start in seconds, (N,); None where only the order is known, as after parsing.
    """

    streams: tuple[Stream, ...]
    stream: np.ndarray
    unit: np.ndarray
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.unit)

    def __str__(self) -> str:
        names = [stream.prefix for stream in self.streams]
        return "".join(f"[{names[s]}{u}]" for s, u in zip(self.stream.tolist(), self.unit.tolist()))

    def of(self, prefix: str) -> np.ndarray:
        """The units of one stream in order, (M,)."""
        index = [stream.prefix for stream in self.streams].index(prefix)
        return self.unit[self.stream == index]


def merge(frames: Mapping[str, np.ndarray], streams: Sequence[Stream]) -> Tokens:
    """Deduplicate each stream as it asks and merge all by the time of each token's first frame.

    Args:
        frames: Units (T,) by prefix, one for every stream.
        streams: In the order of their ids; of tokens that start together, those of later streams come first.
    """
    parts = []
    for index, stream in enumerate(streams):
        units = np.asarray(frames[stream.prefix], dtype=np.int64)
        starts = runs(units)[0] if stream.dedup else np.arange(len(units))
        parts.append((np.full(len(starts), index), units[starts], stream.times(len(units))[starts]))
    stream, unit, time = (np.concatenate(column) for column in zip(*reversed(parts)))
    order = np.argsort(time, kind="stable")
    return Tokens(tuple(streams), stream[order], unit[order], time[order])


def unmerge(tokens: Tokens, counts: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The opposite of ``merge``: the units of every frame, (T,) by prefix.

    Args:
        tokens: With their times.
        counts: Frames of each stream, which the last token alone does not tell.

    Raises:
        ValueError: Where the tokens have no times, or these do not go with the counts.
    """
    if tokens.time is None:
        raise ValueError("these tokens have no times, as after parsing: how long each unit lasts is not known")
    frames = {}
    for index, stream in enumerate(tokens.streams):
        mine = tokens.stream == index
        starts = np.rint(tokens.time[mine] * (stream.clock or stream.rate)).astype(np.int64)
        lengths = np.diff(starts, append=counts[stream.prefix])
        if (lengths < 1).any() or starts[:1].any() or (not len(starts) and counts[stream.prefix]):
            raise ValueError(
                f"the {mine.sum()} {stream.prefix} tokens do not fill {counts[stream.prefix]} frames from the first on, in order"
            )
        frames[stream.prefix] = tokens.unit[mine].repeat(lengths)
    return frames


def parse(text: str, streams: Sequence[Stream]) -> Tokens:
    """Read ``[Hu12][Hu7]``.

    Raises:
        ValueError: At anything that is not a token of one of the streams.
    """
    rest = TOKEN.sub("", text).strip()
    if rest:
        raise ValueError(f"{rest[:40]!r} in the units is not of the form [Hu12]")
    index = {stream.prefix: i for i, stream in enumerate(streams)}
    found = [(prefix, int(unit)) for prefix, unit in TOKEN.findall(text)]
    for prefix, unit in found:
        if prefix not in index:
            raise ValueError(f"[{prefix}{unit}]: no stream {prefix!r}; this tokenizer has {', '.join(index)}")
        if unit >= streams[index[prefix]].size:
            raise ValueError(f"[{prefix}{unit}]: {prefix} units are 0 to {streams[index[prefix]].size - 1}")
    return Tokens(
        tuple(streams),
        np.array([index[p] for p, _ in found], dtype=np.int64),
        np.array([u for _, u in found], dtype=np.int64),
    )
