"""Harmonic source of generated speech: F0 predicted from units, and tones at its multiples with continuous phase."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.speech.f0 import F0Extractor
from zoo.vocoder.typed_modules import typed

CENTER_HZ = 150.0  # center of the range of predicted F0
OCTAVES = 2.5  # largest distance of a predicted F0 from CENTER_HZ: F0 is between 26 and 850 Hz
CHUNK_FRAMES = 128  # frames processed at once, so that intermediate results stay in the cache


@dataclass(frozen=True)
class F0Contour:
    """F0 and voicing of frames at a constant rate, and the phase of the fundamental.

    Args:
        frequency: F0 in Hz, (B, F); unvoiced frames have a value above 0, too.
        voiced: Degree of voicing from 0 to 1, (B, F).
        phase: Phase of the fundamental in the middle of each frame, in cycles from 0 to 1, (B, F) float64.
    """

    frequency: Tensor
    voiced: Tensor
    phase: Tensor

    @classmethod
    def of(cls, frequency: Tensor, voiced: Tensor, frame_rate: float) -> "F0Contour":
        """Build a contour from F0 and voicing by accumulating the phase.

        The phase is 0 in the middle of the first frame. F0 is interpolated linearly between the middles of frames, so
        that the phase advances from one frame to the next by the mean of their frequencies, times the time between
        them.

        Args:
            frequency: F0 in Hz, (B, F).
            voiced: Degree of voicing from 0 to 1, (B, F).
            frame_rate: Frames per second.
        """
        # In double precision: after a minute at 200 Hz, single precision has a phase error of a thousandth of a cycle.
        exact = frequency.double()
        advance = (exact[:, 1:] + exact[:, :-1]) / (2 * frame_rate)  # cycles, (B, F - 1)
        cycles = F.pad(advance, (1, 0)).cumsum(1)
        return cls(frequency.float(), voiced.float(), cycles % 1)

    def part(self, start: int, end: int) -> "F0Contour":
        """Return the contour of frames ``start`` to ``end``, whose phase is that of the full contour."""
        return F0Contour(self.frequency[:, start:end], self.voiced[:, start:end], self.phase[:, start:end])

    def features(self) -> Tensor:
        """Return the input of a network, (B, F, 2): octaves above ``CENTER_HZ`` where voiced, and voicing."""
        return torch.stack([torch.log2(self.frequency / CENTER_HZ) * self.voiced, self.voiced], -1)


class PitchHead(nn.Module):
    """Two convolutions over embedded units that predict F0 and voicing of several frames per unit.

    Args:
        width: Width of the embedding of a unit.
        frames_per_unit: Number of frames that are predicted for each unit.
        hidden: Width of the convolutions.
        kernel_size: Kernel size of each convolution in units; odd.
    """

    out: nn.Linear

    def __init__(self, width: int, frames_per_unit: int, hidden: int = 128, kernel_size: int = 5) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(inputs, hidden, kernel_size, padding=kernel_size // 2) for inputs in (width, hidden)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.convs)
        self.out = nn.Linear(hidden, 2 * frames_per_unit)
        self.reach = len(self.convs) * (kernel_size // 2)  # units on either side that a frame depends on

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Return octaves above ``CENTER_HZ`` and logits of being voiced, (B, T * frames_per_unit) each.

        Args:
            x: Embedded units, (B, width, T); the head computes in their precision.
            keep: 1 where there is a unit, 0 in padding, (B, T, 1).
        """
        x = x.transpose(1, 2)  # (B, T, width)
        convs = typed(self.convs, nn.Conv1d)
        norms = typed(self.norms, nn.LayerNorm)
        for conv, norm in zip(convs, norms, strict=True):
            weight, bias = conv.weight.to(x), _bias(conv).to(x)
            x = F.conv1d((x * keep).transpose(1, 2), weight, bias, padding=conv.padding[0]).transpose(1, 2)
            x = F.layer_norm(F.gelu(x), norm.normalized_shape, norm.weight.to(x), norm.bias.to(x))
        octaves, logits = F.linear(x, self.out.weight.to(x), self.out.bias.to(x)).chunk(2, dim=-1)
        # tanh bounds the octaves smoothly; near 0 it is the identity.
        return OCTAVES * torch.tanh(octaves / OCTAVES).flatten(1), logits.flatten(1)


class HarmonicSource(nn.Module):
    """Source of tones at the multiples of F0, as spectra of windowed frames.

    All tones are equally loud, and the largest bin of a tone is about 1. F0 is constant within a frame. A frame depends
    only on its own F0, voicing and phase, so that the result does not depend on which frames are computed together.

    Args:
        harmonics: Largest number of tones; tones above half the sample rate are left out.
        fft_size: Samples per frame.
        sample_rate: Sample rate in Hz.
    """

    window: Tensor
    seconds: Tensor

    def __init__(self, harmonics: int, fft_size: int, sample_rate: int) -> None:
        super().__init__()
        self.harmonics = harmonics
        self.sample_rate = sample_rate
        # A Hann window sums to fft_size / 2, and half the amplitude of a cosine is at positive frequencies: the factor
        # 4 / fft_size scales the peak of a tone to 1.
        self.register_buffer("window", torch.hann_window(fft_size) * 4 / fft_size, persistent=False)
        # Seconds from the middle of the frame, for which the contour gives the phase.
        self.register_buffer("seconds", (torch.arange(fft_size) - fft_size // 2) / sample_rate, persistent=False)

    @torch.no_grad()
    def forward(self, contour: F0Contour) -> Tensor:
        """Return complex spectra (B, F, fft_size / 2 + 1); 0 in unvoiced frames."""
        frequency = contour.frequency.flatten().split(CHUNK_FRAMES)
        voiced = contour.voiced.flatten().split(CHUNK_FRAMES)
        phase = contour.phase.float().flatten().split(CHUNK_FRAMES)
        spectra = []
        for chunk in zip(frequency, voiced, phase, strict=True):
            spectra.append(self._spectra(*(values.unsqueeze(-1) for values in chunk)))
        return torch.cat(spectra).unflatten(0, contour.frequency.shape)

    def _spectra(self, frequency: Tensor, voiced: Tensor, phase: Tensor) -> Tensor:
        """Return the spectra (F, fft_size / 2 + 1) of frames whose F0, voicing and phase are (F, 1) each."""
        num_tones = (self.sample_rate / 2 / frequency).floor().clamp(max=self.harmonics)
        cycles = frequency * self.seconds + phase  # phase of the fundamental at each sample, (F, fft_size)
        return torch.fft.rfft(sum_of_cosines(cycles, num_tones).mul_(self.window * voiced))


def sum_of_cosines(cycles: Tensor, count: Tensor) -> Tensor:
    """Return cos(a) + cos(2a) + ... + cos(count * a), by the closed form of the Dirichlet kernel.

    The sum is (sin((count + 1/2) a) / sin(a / 2) - 1) / 2, whose cost does not depend on the count.

    Args:
        cycles: Angles a in cycles (multiples of 2 pi), (..., N).
        count: Number of cosines, an integer, (..., 1).
    """
    half = (cycles - cycles.round()).mul_(torch.pi)  # a / 2 in radians, from -pi / 2 to pi / 2
    # At a = 0 the closed form is 0 / 0; a small angle gives its limit to single precision.
    half = torch.where(half.abs() < 1e-5, 1e-5, half)
    return torch.sin(half * (2 * count + 1)).div_(half.sin_().mul_(2)).sub_(0.5)


@torch.no_grad()
def f0_of_frames(waveforms: Tensor, f0: F0Extractor, hop: int) -> tuple[Tensor, Tensor]:
    """Return F0 in Hz and voicing at the middle of every ``hop`` samples, (B, N // hop) each.

    Frames for which the extractor gives no F0 get ``CENTER_HZ``.

    Args:
        waveforms: Speech, (B, N), at the sample rate of the extractor.
        f0: F0 extractor, whose frame rate may differ from that of the result.
        hop: Samples per frame of the result.
    """
    step = hop * f0.frame_rate / f0.sample_rate  # frames of the extractor per frame of the result
    # If only every step-th frame is needed, the others are not extracted.
    every = int(step) if step >= 1 and step == int(step) else 1
    # The extractor's first frame is centered on its first sample. Half a hop is cut off, so that this sample is the
    # middle of the first frame of the result.
    tracks = f0.batch(waveforms[:, hop // 2 :].float(), every)
    num_frames = waveforms.shape[1] // hop
    nearest = (torch.arange(num_frames, device=waveforms.device) * step / every).round().long()
    index = nearest.clamp(max=len(tracks[0].voiced) - 1)
    frequency = torch.stack([track.frequency for track in tracks])[:, index]
    voiced = torch.stack([track.voiced for track in tracks])[:, index]
    return frequency.masked_fill(frequency <= 0, CENTER_HZ), voiced


def _bias(conv: nn.Conv1d) -> Tensor:
    assert conv.bias is not None, "convolutions here have a bias"
    return conv.bias
