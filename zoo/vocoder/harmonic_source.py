"""Where a voice has its pitch from: what units tell of F0, and harmonics whose phase goes on from frame to frame."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.speech.f0 import F0Extractor

CENTRE_HZ, OCTAVES = 150.0, 2.5  # F0 is told from 26 to 850 Hz
PIECE_FRAMES = 128  # worked through at once: what one step leaves is still in the cache at the next


@dataclass(frozen=True)
class F0Contour:
    """F0 of frames at a steady rate, and how far it has turned by then.

    Args:
        frequency: Hz, (B, F); where nothing is voiced, too.
        voiced: 1 or 0, (B, F).
        phase: Of the fundamental in the middle of each frame, in cycles from 0 to 1, (B, F) float64.
    """

    frequency: Tensor
    voiced: Tensor
    phase: Tensor

    @classmethod
    def of(cls, frequency: Tensor, voiced: Tensor, frame_rate: float) -> "F0Contour":
        """Let the phase follow: it is 0 in the middle of the first frame, and F0 a straight line between the middles of frames."""
        exact = frequency.double()
        turned = F.pad((exact[:, 1:] + exact[:, :-1]) / (2 * frame_rate), (1, 0)).cumsum(
            1
        )  # of single precision, a minute would hear the error
        return cls(frequency.float(), voiced.float(), turned % 1)

    def part(self, start: int, end: int) -> "F0Contour":
        """Frames ``start`` to ``end``, their phase what it is among all."""
        return F0Contour(*(each[:, start:end] for each in (self.frequency, self.voiced, self.phase)))

    def features(self) -> Tensor:
        """What a network is told, (B, F, 2): octaves above the middle of voices where voiced, and voicing."""
        return torch.stack([torch.log2(self.frequency / CENTRE_HZ) * self.voiced, self.voiced], -1)


class PitchHead(nn.Module):
    """Two convolutions over embedded units that tell F0 and voicing of each of their frames.

    Args:
        width: Of what stands for a unit.
        frames_per_unit: That are told.
        hidden: Width of the convolutions.
        kernel_size: Units seen by each; odd.
    """

    def __init__(self, width: int, frames_per_unit: int, hidden: int = 128, kernel_size: int = 5) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(each, hidden, kernel_size, padding=kernel_size // 2) for each in (width, hidden)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.convs)
        self.out = nn.Linear(hidden, 2 * frames_per_unit)
        self.reach = len(self.convs) * (kernel_size // 2)

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, width, T) to octaves above the middle of voices and logits of being voiced, (B, T * frames_per_unit) each.

        Args:
            x: Embedded units, in the precision to work in.
            keep: 1 where there is a unit, else 0, (B, T, 1).
        """
        x = x.transpose(1, 2)
        for conv, norm in zip(self.convs, self.norms):
            x = F.conv1d(
                (x * keep).transpose(1, 2), conv.weight.to(x), conv.bias.to(x), padding=conv.padding
            ).transpose(1, 2)
            x = F.layer_norm(F.gelu(x), norm.normalized_shape, norm.weight.to(x), norm.bias.to(x))
        octaves, logits = F.linear(x, self.out.weight.to(x), self.out.bias.to(x)).chunk(2, dim=-1)
        return OCTAVES * torch.tanh(octaves / OCTAVES).flatten(1), logits.flatten(1)


class HarmonicSource(nn.Module):
    """Spectra of tones at the multiples of F0, all equally loud: of a tone, the largest bin has a size of about 1.

    Within a frame F0 stands still. A frame depends on its own F0 and phase alone, so a part of the frames is what it is among all.

    Args:
        harmonics: The most tones; those above half the sample rate are left out.
        fft_size: Samples of a frame.
        sample_rate: Hz.
    """

    def __init__(self, harmonics: int, fft_size: int, sample_rate: int) -> None:
        super().__init__()
        self.harmonics, self.sample_rate = harmonics, sample_rate
        self.register_buffer("window", torch.hann_window(fft_size) * 4 / fft_size, persistent=False)
        self.register_buffer("seconds", (torch.arange(fft_size) - fft_size // 2) / sample_rate, persistent=False)

    @torch.no_grad()
    def forward(self, melody: F0Contour) -> Tensor:
        """Spectra (B, F, fft_size / 2 + 1), complex; 0 where not voiced."""
        rows = zip(
            *(each.flatten().split(PIECE_FRAMES) for each in (melody.frequency, melody.voiced, melody.phase.float()))
        )
        return torch.cat([self._frames(*(each.unsqueeze(-1) for each in row)) for row in rows]).unflatten(
            0, melody.frequency.shape
        )

    def _frames(self, frequency: Tensor, voiced: Tensor, phase: Tensor) -> Tensor:
        """Spectra (F, fft_size / 2 + 1) of frames, (F, 1) each."""
        tones = (self.sample_rate / 2 / frequency).floor().clamp(max=self.harmonics)
        return torch.fft.rfft(sum_of_cosines(frequency * self.seconds + phase, tones).mul_(self.window * voiced))


def sum_of_cosines(cycles: Tensor, count: Tensor) -> Tensor:
    """cos(a) + cos(2a) + ... + cos(count * a) for angles in cycles, by Dirichlet's formula: the same work for any count.

    Args:
        cycles: Angles, (..., N).
        count: Whole numbers, (..., 1).
    """
    half = (cycles - cycles.round()).mul_(torch.pi)  # half the angle
    half = torch.where(
        half.abs() < 1e-5, 1e-5, half
    )  # 0 / 0 where all tones meet; the limit is as near as single precision tells
    return torch.sin(half * (2 * count + 1)).div_(half.sin_().mul_(2)).sub_(0.5)


@torch.no_grad()
def frames_of_f0(waveforms: Tensor, f0: F0Extractor, hop: int) -> tuple[Tensor, Tensor]:
    """F0 in Hz and voicing in the middle of every ``hop`` samples of speech (B, N): (B, N // hop) each; the middle of voices where nothing is voiced."""
    step = hop * f0.frame_rate / f0.sample_rate  # of its frames from one of ours to the next
    every = int(step) if step >= 1 and step == int(step) else 1
    tracks = f0.batch(waveforms[:, hop // 2 :].float(), every)
    index = (
        (torch.arange(waveforms.shape[1] // hop, device=waveforms.device) * step / every)
        .round()
        .long()
        .clamp(max=len(tracks[0].voiced) - 1)
    )
    frequency = torch.stack([track.frequency for track in tracks])[:, index]
    return frequency.masked_fill(frequency <= 0, CENTRE_HZ), torch.stack([track.voiced for track in tracks])[:, index]
