"""Changes of the sound that leave what is said as it is: another pace, another voice, noise, a room.

Each takes a waveform (num_samples,) at 16 kHz and a generator, and draws anew how strongly it changes it. The kinds are
those of Gat et al. 2023 (arXiv 2209.15483); how strong they are is up to the recipe.
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

RESAMPLING_STEP_HZ = 200  # so that the resampling filter of a pitch shift has few phases


class Augmentation(ABC):
    """One way to change the sound."""

    @abstractmethod
    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        """A changed copy: (num_samples,) -> (num_samples,), of another length only where the pace changes.

        Args:
            waveform: At 16 kHz.
            draw: Where all chance comes from.
        """


class Unchanged(Augmentation):
    """The sound as it is, so that a choice can leave some of it alone."""

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        return waveform


class TimeStretch(Augmentation):
    """Another pace at the same pitch, by a phase vocoder.

    Args:
        min_rate: Slowest pace; 0.5 lasts twice as long.
        max_rate: Fastest.
    """

    def __init__(self, min_rate: float = 0.8, max_rate: float = 1.2) -> None:
        self.min_rate, self.max_rate = _ordered("rate", min_rate, max_rate, above=0.0)

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        return time_stretch(waveform, _uniform(self.min_rate, self.max_rate, draw))


class PitchShift(Augmentation):
    """Another pitch, formants included, at the same pace: a smaller or larger speaker.

    Args:
        max_semitones: Up or down.
    """

    def __init__(self, max_semitones: float = 4.0) -> None:
        self.max_semitones = max_semitones

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        semitones = _uniform(-self.max_semitones, self.max_semitones, draw)
        rate = round(audio.SAMPLE_RATE * 2 ** (semitones / 12) / RESAMPLING_STEP_HZ) * RESAMPLING_STEP_HZ
        shifted = F.resample(time_stretch(waveform, audio.SAMPLE_RATE / rate), rate, audio.SAMPLE_RATE)
        return _with_length(shifted, len(waveform))


class SoundSource(ABC):
    """Where noises or impulse responses come from."""

    @abstractmethod
    def sample(self, num_samples: int, draw: torch.Generator) -> Tensor:
        """One of them, (M,); ``num_samples`` are wanted, and M need not be that."""


class ColoredNoise(SoundSource):
    """Stationary noise whose power falls with frequency as f to the power of minus ``slope``.

    Args:
        min_slope: 0 is white.
        max_slope: 1 is pink, 2 is brown.
    """

    def __init__(self, min_slope: float = 0.0, max_slope: float = 2.0) -> None:
        self.min_slope, self.max_slope = _ordered("slope", min_slope, max_slope)

    def sample(self, num_samples: int, draw: torch.Generator) -> Tensor:
        slope = _uniform(self.min_slope, self.max_slope, draw)
        spectrum = torch.fft.rfft(torch.randn(num_samples, generator=draw))
        frequency = torch.arange(len(spectrum)) * (audio.SAMPLE_RATE / num_samples)
        return torch.fft.irfft(spectrum * frequency.clamp(min=50.0) ** (-slope / 2), num_samples)


class SyntheticRooms(SoundSource):
    """Impulse responses of made-up rooms: the sound itself, then noise that dies away.

    Args:
        min_decay_seconds: Least time in which the reverberation falls by 60 dB.
        max_decay_seconds: Longest.
        min_direct_db: Least level of the direct sound over the reverberation; lower is farther away.
        max_direct_db: Highest.
    """

    def __init__(
        self,
        min_decay_seconds: float = 0.2,
        max_decay_seconds: float = 0.8,
        min_direct_db: float = -3.0,
        max_direct_db: float = 6.0,
    ) -> None:
        self.min_decay_seconds, self.max_decay_seconds = _ordered(
            "decay_seconds", min_decay_seconds, max_decay_seconds, above=0.0
        )
        self.min_direct_db, self.max_direct_db = _ordered("direct_db", min_direct_db, max_direct_db)

    def sample(self, num_samples: int, draw: torch.Generator) -> Tensor:
        decay = _uniform(self.min_decay_seconds, self.max_decay_seconds, draw)
        level = 10 ** (-_uniform(self.min_direct_db, self.max_direct_db, draw) / 20)
        seconds = torch.arange(round(decay * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
        tail = torch.randn(len(seconds), generator=draw) * torch.exp(-math.log(1000) / decay * seconds)
        tail[: round(0.002 * audio.SAMPLE_RATE)] = 0.0  # no wall is as near as the speaker's own sound
        response = level * tail / tail.norm().clamp(min=1e-9)
        response[0] = 1.0
        return response


class AudioFiles(SoundSource):
    """Recordings in a folder, such as MUSAN's noises or OpenSLR 28's impulse responses, drawn alike and from a random place.

    Args:
        folder: Searched with its subfolders.
        from_start: Take each from its start, as impulse responses must be.

    Raises:
        FileNotFoundError: It holds no audio.
    """

    def __init__(self, folder: Path, from_start: bool = False) -> None:
        self.paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
        if not self.paths:
            raise FileNotFoundError(f"{folder}: no audio file ({', '.join(AUDIO_SUFFIXES)}) to draw from")
        self.from_start = from_start

    def sample(self, num_samples: int, draw: torch.Generator) -> Tensor:
        recording = audio.read(self.paths[_integer(len(self.paths), draw)])
        if self.from_start or len(recording) <= num_samples:
            return recording
        start = _integer(len(recording) - num_samples + 1, draw)
        return recording[start : start + num_samples]


class Noise(Augmentation):
    """A second sound under the speech.

    Args:
        sounds: Where the noise comes from.
        min_snr_db: Loudest noise, as speech over noise in dB.
        max_snr_db: Softest.
    """

    def __init__(self, sounds: SoundSource, min_snr_db: float = 5.0, max_snr_db: float = 15.0) -> None:
        self.sounds = sounds
        self.min_snr_db, self.max_snr_db = _ordered("snr_db", min_snr_db, max_snr_db)

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        noise = self.sounds.sample(len(waveform), draw)
        noise = noise.repeat(-(-len(waveform) // len(noise)))[: len(waveform)]
        snr = _uniform(self.min_snr_db, self.max_snr_db, draw)
        if not (noise.any() and waveform.any()):  # no level makes silence as loud as something
            return waveform
        return F.add_noise(waveform, noise, torch.tensor(snr))


class Reverberation(Augmentation):
    """The speech as heard in a room, as loud as before.

    Args:
        responses: Where the impulse responses come from.
    """

    def __init__(self, responses: SoundSource) -> None:
        self.responses = responses

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        response = self.responses.sample(audio.SAMPLE_RATE, draw)
        first = int(response.abs().argmax())  # recorded responses begin with the way through the air
        heard = F.fftconvolve(waveform, response[first:])[: len(waveform)]
        return heard * (waveform.norm() / heard.norm().clamp(min=1e-9))


class OneOf(Augmentation):
    """A choice, each as likely.

    Args:
        augmentations: What is chosen from.
    """

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        self.augmentations = tuple(augmentations)
        if not self.augmentations:
            raise ValueError("augmentations: none; name at least one")

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        return self.augmentations[_integer(len(self.augmentations), draw)](waveform, draw)


class Chain(Augmentation):
    """One after another.

    Args:
        augmentations: In this order; a room before the noise in it.
    """

    def __init__(self, augmentations: Sequence[Augmentation]) -> None:
        self.augmentations = tuple(augmentations)

    def __call__(self, waveform: Tensor, draw: torch.Generator) -> Tensor:
        for augmentation in self.augmentations:
            waveform = augmentation(waveform, draw)
        return waveform


def time_stretch(waveform: Tensor, rate: float, window_samples: int = 512) -> Tensor:
    """A waveform (N,) ``rate`` times as fast at its pitch: (round(N / rate),)."""
    hop, window = window_samples // 4, torch.hann_window(window_samples)
    padded = torch.nn.functional.pad(waveform, (0, max(0, window_samples - len(waveform))))
    spectrum = torch.stft(padded, window_samples, hop, window=window, return_complex=True)
    advance = torch.linspace(0, math.pi * hop, spectrum.shape[0])[:, None]
    made = torch.istft(F.phase_vocoder(spectrum, rate, advance), window_samples, hop, window=window)
    return _with_length(made, round(len(waveform) / rate))


def _with_length(waveform: Tensor, num_samples: int) -> Tensor:
    return torch.nn.functional.pad(waveform[:num_samples], (0, max(0, num_samples - len(waveform))))


def _ordered(name: str, low: float, high: float, above: float = -math.inf) -> tuple[float, float]:
    if not above < low <= high:
        bound = "" if above == -math.inf else f" above {above:g}"
        raise ValueError(f"min_{name} {low:g} and max_{name} {high:g}: want them in this order{bound}")
    return low, high


def _uniform(low: float, high: float, draw: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=draw).item()


def _integer(count: int, draw: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=draw))
