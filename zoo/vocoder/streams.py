"""Streams of units brought to one length: that of the phonetic stream."""
from collections.abc import Sequence

import numpy as np

from zoo.tokens.units import Stream, Tokens


def at_rate(units: np.ndarray, rate: float, unit_rate: float, length: int) -> np.ndarray:
    """Repeat units (K,) of a slower stream to ``length`` units at the faster rate; the last one goes on if they run out.

    Args:
        units: At least one.
        rate: Of ``units``, per second.
        unit_rate: Of the result, per second.
        length: Of the result.
    """
    return units[np.minimum((np.arange(length) * rate / unit_rate).astype(np.int64), len(units) - 1)]


def beside(tokens: Tokens, streams: Sequence[Stream]) -> dict[str, np.ndarray]:
    """For each phonetic token the units of the other streams that hold at it: (N,) by prefix.

    Tokens of a stream before its first unit take that first unit; a stream without any unit is left out. A stream
    that the tokens have and ``streams`` does not is left out too.

    Args:
        tokens: Merged; the first of ``streams`` is the phonetic one.
        streams: Those wanted.
    """
    names = [stream.prefix for stream in tokens.streams]
    wanted = [stream.prefix for stream in streams]
    if wanted[0] not in names:
        raise ValueError(f"no {wanted[0]} units among the tokens, which have {', '.join(names)}")
    at = np.flatnonzero(tokens.stream == names.index(wanted[0]))
    aligned = {wanted[0]: tokens.unit[at]}
    for prefix in wanted[1:]:
        held = np.flatnonzero(tokens.stream == names.index(prefix)) if prefix in names else np.zeros(0, np.int64)
        if len(held):
            aligned[prefix] = tokens.unit[held[np.maximum(np.searchsorted(held, at) - 1, 0)]]
    return aligned
