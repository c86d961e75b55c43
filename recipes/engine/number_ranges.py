"""Ranges that the annotated types of ``zoo.ranges`` state: whether a number lies in one, and how it is written."""

import math
from typing import Any

from annotated_types import Interval, MinLen, Predicate

# Larger bounds are written as powers of ten.
MAX_PLAIN = 10_000_000_000
MAX_PLAIN_FLOAT = 1_000_000


def is_finite(number: float) -> bool:
    """Whether a number is neither infinite nor NaN, and no integer that is too large for a float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def is_in_range(hint: Any, value: Any) -> bool:
    """Whether a value fulfills all annotations of an ``Annotated`` type that state a range."""
    return all(_fulfills(value, metadata) for metadata in hint.__metadata__)


def range_of(hint: Any) -> str:
    """Return the range that an ``Annotated`` type states, such as "from 1 to 1,000"; empty if it states none."""
    return " ".join(filter(None, map(_described, hint.__metadata__)))


def _fulfills(value: Any, metadata: Any) -> bool:
    if isinstance(metadata, Predicate):
        return metadata.func(value)
    if isinstance(metadata, MinLen):
        return len(value) >= metadata.min_length
    if not isinstance(metadata, Interval):
        return True
    return not (
        (metadata.ge is not None and value < metadata.ge)
        or (metadata.gt is not None and value <= metadata.gt)
        or (metadata.le is not None and value > metadata.le)
        or (metadata.lt is not None and value >= metadata.lt)
    )


def _described(metadata: Any) -> str:
    if isinstance(metadata, MinLen):
        return f"of at least {metadata.min_length}"
    if isinstance(metadata, Predicate):
        return f"that {metadata.func.__name__.replace('_', ' ')}"
    if not isinstance(metadata, Interval):
        return ""
    low: Any = metadata.ge if metadata.gt is None else metadata.gt
    high: Any = metadata.le if metadata.lt is None else metadata.lt
    if metadata.gt is not None:
        return f"above {_written(low)} and up to {_written(high)}"
    return f"from {_written(low)} to {'below ' if metadata.lt is not None else ''}{_written(high)}"


def _written(bound: float) -> str:
    if isinstance(bound, int) and abs(bound) < MAX_PLAIN:
        return f"{bound:,}"
    return f"{bound:g}" if abs(bound) < MAX_PLAIN_FLOAT else f"{bound:.0e}".replace("e+0", "e").replace("e+", "e")
