"""Preparation of a vocoder's inputs: streams of units are checked and aligned to the phonetic stream."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.tokens.merged_streams import Tokens
from zoo.tokens.units import Stream

UNKNOWN = "unknown"  # name of the speaker or style of utterances without one


def at_rate(units: np.ndarray, rate: float, unit_rate: float, length: int) -> np.ndarray:
    """Repeat units (K,) of a slower stream to ``length`` units at a faster rate; the last unit fills up the end.

    Args:
        units: Units of the slower stream, at least one.
        rate: Units per second of the slower stream.
        unit_rate: Units per second of the result.
        length: Number of units of the result.
    """
    index = (np.arange(length) * rate / unit_rate).astype(np.int64)
    return units[np.minimum(index, len(units) - 1)]


def in_order(values: Iterable[str | None]) -> list[str]:
    """Return the distinct names of speakers or styles in the order of their indices.

    Names are sorted. If a value is missing, the first name is ``unknown``.
    """
    names = {value or UNKNOWN for value in values}
    return sorted(names, key=lambda name: (name != UNKNOWN, name))


def align_to_phonetic(tokens: Tokens, streams: Sequence[Stream]) -> dict[str, np.ndarray]:
    """Return, for each phonetic token, the units of every stream in effect at it: (N,) by prefix.

    A unit of another stream is in effect until the next unit of its stream; phonetic tokens before the first such unit
    take the first. Streams without a unit among the tokens, or not among ``streams``, are left out.

    Args:
        tokens: Deduplicated tokens.
        streams: Streams of the result, the phonetic one first.

    Raises:
        ValueError: If the tokens have no phonetic stream.
    """
    names = [stream.prefix for stream in tokens.streams]
    wanted = [stream.prefix for stream in streams]
    if wanted[0] not in names:
        raise ValueError(f"no {wanted[0]} units among the tokens, which have {', '.join(names)}")
    phonetic = np.flatnonzero(tokens.stream == names.index(wanted[0]))
    aligned = {wanted[0]: tokens.unit[phonetic]}
    for prefix in wanted[1:]:
        if prefix not in names:
            continue
        positions = np.flatnonzero(tokens.stream == names.index(prefix))
        if len(positions):
            before = np.searchsorted(positions, phonetic) - 1  # the last position before each phonetic token
            aligned[prefix] = tokens.unit[positions[np.maximum(before, 0)]]
    return aligned


def fill_missing(
    units: Mapping[str, Any],
    streams: Sequence[Stream],
    missing: Mapping[str, Sequence[int]],
    raw: bool,
    rng: random.Random | None,
) -> dict[str, np.ndarray]:
    """Return the checked units of every stream, (T,) int64 by prefix; a missing stream repeats a substitute unit.

    Args:
        units: Sequences of units by prefix; streams that are not in ``streams`` are ignored.
        streams: Streams of the result, the phonetic one first.
        missing: Substitute units for a missing stream, by prefix.
        raw: Whether each stream is at its own rate, instead of one unit for each phonetic unit.
        rng: Random generator that chooses among the substitutes; the first one is used if None.

    Raises:
        ValueError: If there are no phonetic units, a missing stream has no substitute, or a unit is out of range.
    """
    first = streams[0]
    if first.prefix not in units or len(units[first.prefix]) == 0:
        raise ValueError(f"no {first.prefix} units to synthesize")
    num_phonetic = len(units[first.prefix])
    rows = {}
    for stream in streams:
        if units.get(stream.prefix) is not None:
            rows[stream.prefix] = _checked(stream, units[stream.prefix])
        elif missing.get(stream.prefix):
            substitutes = missing[stream.prefix]
            unit = rng.choice(substitutes) if rng else substitutes[0]
            length = num_phonetic
            if raw:
                length = max(1, round(num_phonetic * stream.rate / first.rate))
            rows[stream.prefix] = np.full(length, unit)
        else:
            prefixes = ", ".join(stream.prefix for stream in streams)
            raise ValueError(f"no {stream.prefix} units: this vocoder needs {prefixes} together")
    return rows


def _checked(stream: Stream, units: Any) -> np.ndarray:
    """Return units as an int64 array (T,), after checking their shape, type and range."""
    row = np.asarray(units.cpu() if isinstance(units, Tensor) else units)
    if row.ndim != 1 or not len(row) or row.dtype.kind not in "iu":
        raise ValueError(f"{stream.prefix} units must be a sequence of integers, got shape {row.shape} of {row.dtype}")
    out_of_range = np.flatnonzero((row < 0) | (row >= stream.size))
    if len(out_of_range):
        position = out_of_range[0]
        raise ValueError(
            f"[{stream.prefix}{row[position]}] at position {position}: {stream.prefix} units are 0 to {stream.size - 1}"
        )
    return row.astype(np.int64)


def check_lengths(rows: Mapping[str, np.ndarray], streams: Sequence[Stream], raw: bool) -> None:
    """Check that the lengths of all streams fit the phonetic one.

    Args:
        rows: Units by prefix.
        streams: Streams of the rows, the phonetic one first.
        raw: Whether each stream is at its own rate; lengths may then differ by one unit from the exact ratio.
            Otherwise all streams must have the same length.

    Raises:
        ValueError: If a stream is too long or too short.
    """
    first = streams[0]
    num_phonetic = len(rows[first.prefix])
    for stream in streams[1:]:
        length = len(rows[stream.prefix])
        phonetic_per_unit = first.rate / stream.rate
        if raw and abs(length * phonetic_per_unit - num_phonetic) / phonetic_per_unit > 1:
            raise ValueError(
                f"{length} {stream.prefix} units at {stream.rate:g} a second do not fit {num_phonetic} {first.prefix} "
                f"units at {first.rate:g}"
            )
        if not raw and length != num_phonetic:
            raise ValueError(
                f"{length} {stream.prefix} units for {num_phonetic} {first.prefix} units: to predict durations give "
                "one for each; pass raw units at their own rates with predict_durations=False"
            )


def pad_units(rows: Sequence[Mapping[str, Tensor]]) -> tuple[dict[str, Tensor], Tensor | None]:
    """Batch the units of several utterances.

    Args:
        rows: Units (T,) of every stream by prefix, for each utterance.

    Returns:
        Units (B, T) by prefix, padded with 0; and a mask (B, T) that is True where there are units, or None if there is
        no padding.
    """
    padded = {}
    for prefix in rows[0]:
        padded[prefix] = pad_sequence([row[prefix] for row in rows], batch_first=True)
    lengths = [len(next(iter(row.values()))) for row in rows]
    if min(lengths) == max(lengths):
        return padded, None
    device = next(iter(padded.values())).device
    ends = torch.tensor(lengths, device=device).unsqueeze(1)
    return padded, torch.arange(max(lengths), device=device) < ends
