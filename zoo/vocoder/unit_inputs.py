"""Streams of units, checked and brought to one length: that of the phonetic stream."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from zoo.tokens.units import Stream, Tokens

UNKNOWN = "unknown"


def at_rate(units: np.ndarray, rate: float, unit_rate: float, length: int) -> np.ndarray:
    """Repeat units (K,) of a slower stream to ``length`` units at the faster rate; the last one goes on if they run out.

    Args:
        units: At least one.
        rate: Of ``units``, per second.
        unit_rate: Of the result, per second.
        length: Of the result.
    """
    return units[np.minimum((np.arange(length) * rate / unit_rate).astype(np.int64), len(units) - 1)]


def in_order(values: Iterable[str | None]) -> list[str]:
    """Names of speakers or styles in the order of their indices: each once, ``unknown`` first where a value is missing."""
    names = {value or UNKNOWN for value in values}
    return sorted(names, key=lambda name: (name != UNKNOWN, name))


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


def filled(
    units: Mapping[str, Any],
    streams: Sequence[Stream],
    missing: Mapping[str, Sequence[int]],
    raw: bool,
    rng: random.Random | None,
) -> dict[str, np.ndarray]:
    """Every stream as checked integers; one that is missing is a single stand-in repeated.

    Args:
        units: Sequences by prefix; of streams that are not wanted, too.
        streams: Those wanted, the phonetic one first.
        missing: Stand-ins by prefix.
        raw: Whether each stream is at its own rate, rather than one for each phonetic unit.
        rng: Chooses among stand-ins; the first is taken if None.

    Raises:
        ValueError: No phonetic units; a missing stream without a stand-in; a unit out of range.
    """
    first = streams[0]
    if first.prefix not in units or len(units[first.prefix]) == 0:
        raise ValueError(f"no {first.prefix} units to speak")
    length, rows = len(units[first.prefix]), {}
    for stream in streams:
        if units.get(stream.prefix) is not None:
            rows[stream.prefix] = _checked(stream, units[stream.prefix])
        elif missing.get(stream.prefix):
            stand_ins = missing[stream.prefix]
            unit = rng.choice(stand_ins) if rng else stand_ins[0]
            rows[stream.prefix] = np.full(max(1, round(length * stream.rate / first.rate)) if raw else length, unit)
        else:
            raise ValueError(
                f"no {stream.prefix} units: this vocoder speaks {', '.join(s.prefix for s in streams)} together"
            )
    return rows


def _checked(stream: Stream, units: Any) -> np.ndarray:
    row = np.asarray(units.cpu() if isinstance(units, Tensor) else units)
    if row.ndim != 1 or not len(row) or row.dtype.kind not in "iu":
        raise ValueError(f"{stream.prefix} units must be a sequence of integers, got shape {row.shape} of {row.dtype}")
    wrong = np.flatnonzero((row < 0) | (row >= stream.size))
    if len(wrong):
        raise ValueError(
            f"[{stream.prefix}{row[wrong[0]]}] at position {wrong[0]}: {stream.prefix} units are 0 to {stream.size - 1}"
        )
    return row.astype(np.int64)


def check_lengths(rows: Mapping[str, np.ndarray], streams: Sequence[Stream], raw: bool) -> None:
    """Raise ValueError unless every stream goes with the first: at its own rate within one unit if raw, else equally long."""
    first = streams[0]
    wanted = len(rows[first.prefix])
    for stream in streams[1:]:
        length, each = len(rows[stream.prefix]), first.rate / stream.rate
        if raw and abs(length * each - wanted) / each > 1:
            raise ValueError(
                f"{length} {stream.prefix} units at {stream.rate:g} a second do not go with {wanted} {first.prefix} units at {first.rate:g}"
            )
        if not raw and length != wanted:
            raise ValueError(
                f"{length} {stream.prefix} units for {wanted} {first.prefix} units: to predict durations give one for each; "
                "raw units at their own rates go with predict_durations=False"
            )
