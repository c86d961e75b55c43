"""Streams of discrete speech units."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stream:
    """Properties of one kind of unit that a speech tokenizer emits.

    Args:
        prefix: Two letters that name the stream in the string form: Hu (phonetic), Pi (pitch), St (style).
        size: Number of units, which are 0 to ``size`` - 1.
        rate: Units per second.
        dedup: Whether runs of equal units become a single token.
        clock: Units per second from which the start times of tokens are computed for merging. Defaults to ``rate``.
            Spirit LM uses 24.99 Hz for its 25 Hz units, so that a pitch unit precedes the phonetic unit of its time.
    """

    prefix: str
    size: int
    rate: float
    dedup: bool = True
    clock: float | None = None

    def times(self, count: int) -> np.ndarray:
        """Return the start in seconds of the first ``count`` units, (count,)."""
        return np.arange(count) / (self.clock or self.rate)


def runs(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the start and the length of each run of equal units: (T,) -> (N,), (N,)."""
    if not len(units):
        starts = np.zeros(0, np.int64)
    else:
        starts = np.flatnonzero(np.concatenate([[True], units[1:] != units[:-1]]))
    return starts, np.diff(starts, append=len(units))


def deduplicate(units: np.ndarray) -> np.ndarray:
    """Return one unit of each run of equal units: (T,) -> (N,)."""
    return units[runs(units)[0]]
