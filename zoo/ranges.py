"""Types of numbers with the range that they may have: signatures state it once, and the check of recipes reads it.

Upper bounds are far above what is trained today; they refuse a slip of the keyboard that would fill the memory. Numbers
that are not finite are refused everywhere. Records check themselves with ``check_ranges``.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any

from annotated_types import Interval, MinLen, Predicate


def is_odd(number: int) -> bool:
    return number % 2 == 1


NONEMPTY = MinLen(1)  # of a list or mapping: Annotated[Sequence[Speed], NONEMPTY]

Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]  # what NumPy takes
PositiveInt = Annotated[int, Interval(ge=1, le=10**12)]  # steps, frames, tokens
NonNegativeInt = Annotated[int, Interval(ge=0, le=10**12)]
Size = Annotated[int, Interval(ge=1, le=1_000_000)]  # widths, batch sizes, lengths, numbers of items
RowLength = Annotated[int, Interval(ge=2, le=1_000_000)]  # tokens; a token is predicted from those before it
OptionalSize = Annotated[int, Interval(ge=0, le=1_000_000)]  # 0 for none
KernelSize = Annotated[int, Interval(ge=1, le=1001)]
OddKernelSize = Annotated[int, Interval(ge=1, le=1001), Predicate(is_odd)]  # keeps the length
NumLayers = Annotated[int, Interval(ge=1, le=1000)]
NumScales = Annotated[int, Interval(ge=1, le=20)]  # each of a lower rate than the one before
LayerNumber = Annotated[int, Interval(ge=0, le=1000)]
TextSize = Annotated[int, Interval(ge=258, le=1_000_000)]  # the 256 bytes, begin and end are tokens
NumUnits = Annotated[int, Interval(ge=2, le=100_000)]
NumProcesses = Annotated[int, Interval(ge=1, le=1024)]
NumWorkers = Annotated[int, Interval(ge=0, le=1024)]  # 0 for none beside the process itself
NumMels = Annotated[int, Interval(ge=1, le=1000)]
FrameRate = Annotated[int, Interval(ge=1, le=1000)]  # frames per second
WindowLength = Annotated[int, Interval(ge=32, le=65_536)]  # samples of a spectrum
SampleRate = Annotated[int, Interval(ge=1000, le=1_000_000)]  # Hz

FiniteFloat = Annotated[float, Interval(ge=-1e9, le=1e9)]
PositiveFloat = Annotated[float, Interval(gt=0, le=1e9)]
NonNegativeFloat = Annotated[float, Interval(ge=0, le=1e6)]  # weights, penalties
Probability = Annotated[float, Interval(ge=0, le=1)]  # and shares that may be all
Share = Annotated[float, Interval(ge=0, lt=1)]  # dropout and decay too, which 1 would make useless
PositiveShare = Annotated[float, Interval(gt=0, le=1)]
SamplingTemperature = Annotated[float, Interval(ge=0, le=100)]  # 0 for the most likely token
Temperature = Annotated[float, Interval(gt=0, le=100)]
InitialDeviation = Annotated[float, Interval(gt=0, le=10)]  # of random weights
RotaryBase = Annotated[float, Interval(ge=1, le=1e12)]
LearningRate = Annotated[float, Interval(gt=0, le=10)]
FinalLearningRate = Annotated[float, Interval(ge=0, le=10)]
Seconds = Annotated[float, Interval(gt=0, le=1e6)]
OptionalSeconds = Annotated[float, Interval(ge=0, le=1e6)]  # 0 for none
Hours = Annotated[float, Interval(gt=0, le=1e7)]
Hertz = Annotated[float, Interval(gt=0, le=100_000)]
Rate = Annotated[float, Interval(gt=0, le=16_000)]  # units or frames per second
Speed = Annotated[float, Interval(ge=0.1, le=10)]  # relative to the recording
Decibels = Annotated[float, Interval(ge=-200, le=200)]

# Larger bounds are written as powers of ten.
MAX_PLAIN = 10_000_000_000
MAX_PLAIN_FLOAT = 1_000_000


def check_ranges(record: Any) -> None:
    """Check the numbers of a dataclass against the ranges in the types of its fields, for ``__post_init__``.

    Raises:
        ValueError: A number is out of its range.
    """
    for name, hint in _hints(type(record)).items():
        for bad, value in _out_of_range(hint, getattr(record, name)):
            raise ValueError(f"{type(record).__name__}: {name}={value}: want {range_of(bad)}")


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _out_of_range(hint: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the type and the value of each number, in tuples, lists and mappings too, that is out of its range."""
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is Annotated:
        is_number = isinstance(value, (int, float))
        if (is_number and not is_finite(value)) or not is_in_range(hint, value):
            yield hint, value
        else:
            yield from _out_of_range(arguments[0], value)
    elif origin in (typing.Union, types.UnionType):
        if value is not None and len(arguments) == 2 and types.NoneType in arguments:
            yield from _out_of_range(arguments[0], value)
    elif isinstance(value, Mapping) and len(arguments) == 2:
        for item in value.values():
            yield from _out_of_range(arguments[1], item)
    elif isinstance(value, (list, tuple)) and arguments:
        for item in value:
            yield from _out_of_range(arguments[0], item)


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
