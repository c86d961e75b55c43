"""Types of numbers with the range that they may have: signatures state it once, and the check of recipes reads it.

Upper bounds are far above what is trained today; they refuse a slip of the keyboard that would fill the memory. Numbers
that are not finite are refused everywhere.
"""

from typing import Annotated

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
