"""The audio of one utterance in chunks, so that a recording of hours needs no more memory than one of minutes."""

import math
from collections.abc import Iterator

from lhotse.cut import Cut
from torch import Tensor

from zoo.audio import resample
from zoo.corpora.utterance import load_waveform

MARGIN_SECONDS = 0.5  # more than the resampling filter reaches


def load_chunks(cut: Cut, sample_rate: int, chunk_seconds: float, speed: float = 1.0) -> Iterator[Tensor]:
    """Yield the audio of a cut in chunks (num_samples,), one in memory at a time; joined they are the whole waveform.

    A change of speed is a resampling: audio at ``sample_rate`` is taken to be at ``sample_rate * speed`` and resampled
    to ``sample_rate``. Each chunk is resampled from a window with a margin on both sides, so that the chunks equal, up
    to rounding, what resampling the whole waveform gives.

    Args:
        cut: Cut over any kind of Lhotse recording source.
        sample_rate: Sample rate of the chunks, in Hz.
        chunk_seconds: Length of all chunks but the last, in seconds after the change of speed.
        speed: Factor of speed and pitch, 1.1 for ten percent faster and higher; rounded so that
            ``sample_rate * speed`` is a multiple of 100 Hz.

    Raises:
        AudioError: The audio is missing, unreadable, empty or holds NaN or infinity.
    """
    source_rate = round(sample_rate * speed / 100) * 100
    chunk_samples = round(chunk_seconds * sample_rate)
    if cut.duration * sample_rate**2 <= chunk_samples * source_rate:
        yield resample(load_waveform(cut, sample_rate), source_rate, sample_rate)
        return
    # A window may only start where a sample of the file, one at sample_rate and one after the change of speed
    # coincide; elsewhere its samples would fall between those that the whole waveform has. ``grid`` counts samples at
    # ``sample_rate``: every ``grid`` samples all three coincide.
    speed_period = source_rate // math.gcd(source_rate, sample_rate)
    file_period = sample_rate // math.gcd(sample_rate, cut.sampling_rate)
    grid = math.lcm(speed_period, file_period)
    margin = round(MARGIN_SECONDS * sample_rate)
    num_samples = math.ceil(cut.duration * sample_rate**2 / source_rate)
    # ``begin`` counts samples after the change of speed, ``start`` and ``end`` samples before it.
    for begin in range(0, num_samples, chunk_samples):
        start = max(0, (begin * source_rate // sample_rate - margin) // grid * grid)
        end = (begin + chunk_samples) * source_rate / sample_rate + margin
        window_seconds = min(end / sample_rate, cut.duration) - start / sample_rate
        window = cut.truncate(offset=start / sample_rate, duration=window_seconds)
        samples = resample(load_waveform(window, sample_rate), source_rate, sample_rate)
        first = begin - start * sample_rate // source_rate
        if len(samples) > first:
            yield samples[first : first + chunk_samples]
