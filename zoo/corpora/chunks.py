"""The audio of one utterance in pieces, so that a recording of hours needs no more memory than one of minutes."""

import math
from collections.abc import Iterator

from lhotse.cut import Cut
from torch import Tensor

from zoo.audio import resample
from zoo.corpora.utterance import waveform

MARGIN_SECONDS = 0.5  # more than the resampling filter reaches


def pieces(cut: Cut, sample_rate: int, piece_seconds: float, speed: float = 1.0) -> Iterator[Tensor]:
    """Yield the audio of a cut (num_samples,), one piece of it in memory at a time; joined they are the whole.

    Args:
        cut: Any kind of Lhotse recording source.
        sample_rate: Hz of the result.
        piece_seconds: Length of all pieces but the last, at the speed asked for.
        speed: 1.1 is ten per cent faster and higher; to the nearest 100 Hz of a sample rate.

    Raises:
        AudioError: The audio is missing, unreadable, empty or holds NaN or infinity.
    """
    heard_at = round(sample_rate * speed / 100) * 100
    size = round(piece_seconds * sample_rate)
    if cut.duration * sample_rate**2 <= size * heard_at:
        yield resample(waveform(cut, sample_rate), heard_at, sample_rate)
        return
    # Windows begin where the grids of samples of the file, of the plain and of the changed speed all meet.
    grid = math.lcm(
        heard_at // math.gcd(heard_at, sample_rate), sample_rate // math.gcd(sample_rate, cut.sampling_rate)
    )
    margin = round(MARGIN_SECONDS * sample_rate)
    total = math.ceil(cut.duration * sample_rate**2 / heard_at)
    for begin in range(0, total, size):
        start = max(0, (begin * heard_at // sample_rate - margin) // grid * grid)
        end = (begin + size) * heard_at / sample_rate + margin
        seconds = min(end / sample_rate, cut.duration) - start / sample_rate
        window = resample(
            waveform(cut.truncate(offset=start / sample_rate, duration=seconds), sample_rate), heard_at, sample_rate
        )
        first = begin - start * sample_rate // heard_at
        if len(window) > first:
            yield window[first : first + size]
