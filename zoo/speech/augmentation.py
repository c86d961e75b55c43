"""Augmentations that keep the words of an utterance: tempo, pitch, noise, reverberation.

An augmentation takes a waveform (num_samples,) at 16 kHz and a random generator, and draws a new strength for every
call. The kinds of augmentation follow Gat et al. 2023 (arXiv 2209.15483); the ranges of strength are arguments.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchaudio import functional as F

from zoo import audio
from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.ranges import Decibels, FiniteFloat, NonNegativeFloat, Seconds, Speed
from zoo.speech.time_stretch import fit_length, time_stretch

# Pitch shifts resample between multiples of this rate, which share large factors, so that the filter has few phases.
RESAMPLING_STEP_HZ = 200


class Augmentation(ABC):
    """Interface of all augmentations."""

    @abstractmethod
    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        """Return an augmented copy: (num_samples,) -> (num_samples,); only a change of tempo changes the length.

        Args:
            waveform: (num_samples,) at 16 kHz.
            generator: Source of all random numbers.
        """


class Unchanged(Augmentation):
    """Returns the waveform as it is, so that ``OneOf`` can leave a share of the utterances unchanged."""

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        return waveform


class TimeStretch(Augmentation):
    """Changes the tempo and keeps the pitch, by a phase vocoder.

    Args:
        min_rate: Slowest tempo, above 0; at 0.5 the result is twice as long.
        max_rate: Fastest tempo.

    Raises:
        ValueError: If the range is empty or not above 0.
    """

    def __init__(self, min_rate: Speed = 0.8, max_rate: Speed = 1.2) -> None:
        _check_range("rate", min_rate, max_rate, above=0.0)
        self.min_rate = min_rate
        self.max_rate = max_rate

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        return time_stretch(waveform, _uniform(self.min_rate, self.max_rate, generator))


class PitchShift(Augmentation):
    """Shifts the pitch together with the formants and keeps the tempo, like a smaller or larger speaker.

    Args:
        max_semitones: Largest shift, up or down.
    """

    def __init__(self, max_semitones: NonNegativeFloat = 4.0) -> None:
        self.max_semitones = max_semitones

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        semitones = _uniform(-self.max_semitones, self.max_semitones, generator)
        # Resampling from `rate` to 16 kHz multiplies the pitch by rate / 16000 and divides the length by the same
        # factor; the time stretch before it compensates for the length.
        rate = round(audio.SAMPLE_RATE * 2 ** (semitones / 12) / RESAMPLING_STEP_HZ) * RESAMPLING_STEP_HZ
        shifted = F.resample(time_stretch(waveform, audio.SAMPLE_RATE / rate), rate, audio.SAMPLE_RATE)
        return fit_length(shifted, len(waveform))


class SoundSource(ABC):
    """Source of noises or of impulse responses."""

    @abstractmethod
    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """Draw one sound (M,) at 16 kHz.

        Args:
            num_samples: Length that the caller needs, in samples; M may differ from it.
            generator: Source of all random numbers.
        """


class ColoredNoise(SoundSource):
    """Stationary noise with a power spectrum of ``frequency ** -slope``.

    Args:
        min_slope: Smallest slope; 0 is white noise.
        max_slope: Largest slope; 1 is pink, 2 is brown noise.

    Raises:
        ValueError: If the range is empty.
    """

    def __init__(self, min_slope: FiniteFloat = 0.0, max_slope: FiniteFloat = 2.0) -> None:
        _check_range("slope", min_slope, max_slope)
        self.min_slope = min_slope
        self.max_slope = max_slope

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        slope = _uniform(self.min_slope, self.max_slope, generator)
        spectrum = torch.fft.rfft(torch.randn(num_samples, generator=generator))
        frequency = torch.arange(len(spectrum)) * (audio.SAMPLE_RATE / num_samples)
        amplitude = frequency.clamp(min=50.0) ** (-slope / 2)  # flat below 50 Hz, where the power would diverge
        return torch.fft.irfft(spectrum * amplitude, num_samples)


class SyntheticRooms(SoundSource):
    """Synthetic room impulse responses: the direct sound, then exponentially decaying noise.

    Args:
        min_decay_seconds: Shortest reverberation time, in which the level falls by 60 dB; above 0.
        max_decay_seconds: Longest reverberation time.
        min_direct_db: Lowest direct-to-reverberant ratio in dB; lower is farther away.
        max_direct_db: Highest direct-to-reverberant ratio in dB.

    Raises:
        ValueError: If a range is empty, or a reverberation time is not above 0.
    """

    def __init__(
        self,
        min_decay_seconds: Seconds = 0.2,
        max_decay_seconds: Seconds = 0.8,
        min_direct_db: Decibels = -3.0,
        max_direct_db: Decibels = 6.0,
    ) -> None:
        _check_range("decay_seconds", min_decay_seconds, max_decay_seconds, above=0.0)
        _check_range("direct_db", min_direct_db, max_direct_db)
        self.min_decay_seconds = min_decay_seconds
        self.max_decay_seconds = max_decay_seconds
        self.min_direct_db = min_direct_db
        self.max_direct_db = max_direct_db

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        decay = _uniform(self.min_decay_seconds, self.max_decay_seconds, generator)
        level = 10 ** (-_uniform(self.min_direct_db, self.max_direct_db, generator) / 20)
        seconds = torch.arange(round(decay * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
        envelope = torch.exp(-math.log(1000) / decay * seconds)  # an amplitude of 1/1000, -60 dB, at the end
        tail = torch.randn(len(seconds), generator=generator) * envelope
        tail[: round(0.002 * audio.SAMPLE_RATE)] = 0.0  # no reflection arrives within 2 ms of the direct sound
        response = level * tail / tail.norm().clamp(min=1e-9)
        response[0] = 1.0
        return response


class AudioFiles(SoundSource):
    """Recordings in a folder, such as the noises of MUSAN or the impulse responses of OpenSLR 28.

    All files are equally likely. From a file longer than needed, a random section is taken.

    Args:
        folder: Folder, searched with its subfolders.
        from_start: Return each file from its start and at its full length, as impulse responses need it.

    Raises:
        FileNotFoundError: If the folder holds no audio.
    """

    def __init__(self, folder: Path, from_start: bool = False) -> None:
        self.paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
        if not self.paths:
            raise FileNotFoundError(f"{folder}: no audio file ({', '.join(AUDIO_SUFFIXES)}) to draw from")
        self.from_start = from_start

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        recording = audio.read(self.paths[_integer(len(self.paths), generator)])
        if self.from_start or len(recording) <= num_samples:
            return recording
        start = _integer(len(recording) - num_samples + 1, generator)
        return recording[start : start + num_samples]


class Noise(Augmentation):
    """Adds noise at a random signal-to-noise ratio.

    Args:
        sounds: Source of the noise.
        min_snr_db: Lowest signal-to-noise ratio in dB.
        max_snr_db: Highest signal-to-noise ratio in dB.

    Raises:
        ValueError: If the range is empty.
    """

    def __init__(self, sounds: SoundSource, min_snr_db: Decibels = 5.0, max_snr_db: Decibels = 15.0) -> None:
        _check_range("snr_db", min_snr_db, max_snr_db)
        self.sounds = sounds
        self.min_snr_db = min_snr_db
        self.max_snr_db = max_snr_db

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        noise = self.sounds.sample(len(waveform), generator)
        repeats = -(-len(waveform) // len(noise))
        noise = noise.repeat(repeats)[: len(waveform)]
        snr = _uniform(self.min_snr_db, self.max_snr_db, generator)
        if not (noise.any() and waveform.any()):  # silence has no signal-to-noise ratio
            return waveform
        return F.add_noise(waveform, noise, torch.tensor(snr))


class Reverberation(Augmentation):
    """Convolves speech with the impulse response of a room and keeps its energy.

    Args:
        responses: Source of the impulse responses.
    """

    def __init__(self, responses: SoundSource) -> None:
        self.responses = responses

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        response = self.responses.sample(audio.SAMPLE_RATE, generator)
        # Recorded responses begin with the travel time of the direct sound, which would delay the speech.
        direct_sound = int(response.abs().argmax())
        reverberant = F.fftconvolve(waveform, response[direct_sound:])[: len(waveform)]
        return reverberant * (waveform.norm() / reverberant.norm().clamp(min=1e-9))


class OneOf(Augmentation):
    """Applies one of several augmentations, each with the same probability.

    Args:
        augmentations: The augmentations to choose from.

    Raises:
        ValueError: If there are none.
    """

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        self.augmentations = tuple(augmentations)
        if not self.augmentations:
            raise ValueError("augmentations is empty; name at least one")

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        augmentation = self.augmentations[_integer(len(self.augmentations), generator)]
        return augmentation(waveform, generator)


class Chain(Augmentation):
    """Applies several augmentations, one after another.

    Args:
        augmentations: The augmentations in the order in which they are applied, such as reverberation before noise.
    """

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        self.augmentations = tuple(augmentations)

    def __call__(self, waveform: Tensor, generator: torch.Generator) -> Tensor:
        for augmentation in self.augmentations:
            waveform = augmentation(waveform, generator)
        return waveform


def _check_range(name: str, low: float, high: float, above: float = -math.inf) -> None:
    """Raise ValueError unless ``above < low <= high``."""
    if not above < low <= high:
        bound = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(f"min_{name} {low:g} and max_{name} {high:g}: want min_{name} <= max_{name}{bound}")


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    """Draw a number from the uniform distribution between ``low`` and ``high``."""
    return low + (high - low) * torch.rand((), generator=generator).item()


def _integer(count: int, generator: torch.Generator) -> int:
    """Draw an integer from 0 to ``count - 1``, each with the same probability."""
    return int(torch.randint(count, (), generator=generator))
