"""Units to waveform by an inverse short-time Fourier transform: far cheaper than upsampling sample by sample."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.vocoder.generator import Generator, split_config
from zoo.vocoder.harmonic_source import CENTRE_HZ, F0Contour, HarmonicSource, PitchHead


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then two linear layers, around a shortcut (Liu et al. 2022)."""

    def __init__(self, channels: int, hidden: int, kernel_size: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand, self.contract = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, C) to (B, T, C)."""
        y = self.norm(self.depthwise(x.transpose(1, 2)).transpose(1, 2))
        return x + self.scale * self.contract(F.gelu(self.expand(y)))


@dataclass(frozen=True)
class ConvNeXtSizes:
    """Sizes of a stack of ConvNeXt blocks at the unit rate.

    Args:
        channels: Width of the blocks.
        hidden: Width of the linear layers inside a block.
        num_blocks: Number of blocks.
        kernel_size: Odd kernel size of the depthwise convolutions, in units.
    """

    channels: int = 512
    hidden: int = 1536
    num_blocks: int = 8
    kernel_size: int = 7


class ISTFTGenerator(Generator):
    """ConvNeXt blocks at the unit rate and one head that gives the spectra of all frames of a unit (after Vocos, Siuzdak 2023).

    A network at the unit rate cannot carry the phase of a voice. With ``harmonics``, a small head tells F0 and voicing, tones of
    that pitch are made, and the network tells what to make of them at each frequency, besides the spectra of its own (a source and
    a filter, as in Wang et al. 2019, here in the frequency domain).

    Args:
        streams: Number of units by prefix; the first is the phonetic one, which durations are predicted from.
        unit_rate: Units per second; every stream comes repeated to this rate.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: 0 unless an utterance has a style besides its streams.
        embedding_dim: Width of each embedding.
        backbone: Sizes of the ConvNeXt blocks. Defaults to ``ConvNeXtSizes()``.
        frames_per_unit: Spectra per unit; they divide its samples.
        overlap: Frames that share a sample: the transform is ``overlap`` hops long.
        sample_rate: Of the waveform, in Hz.
        harmonics: The most tones in the source; those above half the sample rate are left out. 0 for no source.

    Raises:
        ValueError: Where the sizes do not fit each other.
    """

    def __init__(
        self,
        streams: dict[str, int],
        unit_rate: float,
        num_speakers: int = 0,
        num_styles: int = 0,
        embedding_dim: int = 128,
        backbone: ConvNeXtSizes | None = None,
        frames_per_unit: int = 4,
        overlap: int = 4,
        sample_rate: int = 16000,
        harmonics: int = 0,
    ) -> None:
        super().__init__(streams, unit_rate, embedding_dim, num_speakers, num_styles, sample_rate)
        backbone = backbone or ConvNeXtSizes()
        self.config = {
            "streams": streams,
            "unit_rate": unit_rate,
            "num_speakers": num_speakers,
            "num_styles": num_styles,
            "embedding_dim": embedding_dim,
            **asdict(backbone),
            "frames_per_unit": frames_per_unit,
            "overlap": overlap,
            "sample_rate": sample_rate,
            "harmonics": harmonics,
        }
        channels, kernel_size, num_blocks = backbone.channels, backbone.kernel_size, backbone.num_blocks
        if self.samples_per_unit % (2 * frames_per_unit) or overlap < 2 or overlap % 2 or kernel_size % 2 == 0:
            raise ValueError(
                f"frames_per_unit {frames_per_unit}, overlap {overlap}, kernel_size {kernel_size}: want frames of an even number of "
                f"samples that divide the {self.samples_per_unit} of a unit, an even overlap and an odd kernel_size"
            )
        self.frames_per_unit, self.hop = frames_per_unit, self.samples_per_unit // frames_per_unit
        self.fft_size, self.frame_rate = overlap * self.hop, sample_rate / self.hop
        self.first = nn.Conv1d(self.embed.width, channels, kernel_size, padding=kernel_size // 2)
        self.first_norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, backbone.hidden, kernel_size, 1 / num_blocks) for _ in range(num_blocks)
        )
        self.last_norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, frames_per_unit * (self.fft_size + 2))
        self._start_in_phase()
        self.register_buffer("window", torch.hann_window(self.fft_size), persistent=False)
        self.context_units = (num_blocks + 1) * (kernel_size // 2) + -(-overlap // (2 * frames_per_unit))
        if harmonics:
            self._add_source(harmonics, channels, kernel_size)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ISTFTGenerator":
        backbone, others = split_config(ConvNeXtSizes, config)
        return cls(**others, backbone=backbone)

    def _add_source(self, harmonics: int, channels: int, kernel_size: int) -> None:
        self.harmonics = harmonics
        self.pitch = PitchHead(self.embed.width, self.frames_per_unit)
        self.source = HarmonicSource(harmonics, self.fft_size, self.sample_rate)
        self.from_pitch = nn.Linear(2 * self.frames_per_unit, channels)
        self.filter = nn.Linear(channels, self.frames_per_unit * (self.fft_size // 2 + 1))
        nn.init.constant_(self.filter.bias, -1.0)
        self.context_units += max(0, self.pitch.reach - kernel_size // 2)

    @torch.no_grad()
    def _start_in_phase(self) -> None:
        """Let each bin go on from frame to frame as a tone of its frequency, and quietly: frames that cancel each other teach little."""
        bins, frames = torch.arange(self.fft_size // 2 + 1), torch.arange(self.frames_per_unit)
        size, phase = self.head.bias.view(self.frames_per_unit, 2, -1).unbind(1)
        size.fill_(-3.0)
        start = 2 * torch.pi * torch.rand(len(bins))
        phase.copy_(start + 2 * torch.pi * self.hop / self.fft_size * torch.outer(frames, bins))
        self.head.weight.view(self.frames_per_unit, 2, len(bins), -1)[:, 1].mul_(0.1)

    def forward(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
        melody: F0Contour | None = None,
    ) -> Tensor:
        """Map units (B, T) of each stream to a waveform (B, T * samples_per_unit).

        Args:
            units: By prefix, all at the unit rate.
            speaker: Index, (B,); where there is a choice.
            style: Index, (B,); where there is a choice.
            mask: True where there are units, (B, T); rows come out as if each were alone. None: everywhere.
            melody: Of every frame, where there is a source; what the units tell if None.
        """
        embedded = self.embed(units, speaker, style)  # (B, width, T)
        keep = _keep(embedded, mask)
        x = self.first_norm(self.first(embedded * keep.transpose(1, 2)).transpose(1, 2)) * keep
        if self.harmonics:
            melody = self.melody(units, speaker, style, mask) if melody is None else melody
            x = (
                x + self.from_pitch(melody.features().unflatten(1, (-1, self.frames_per_unit)).flatten(2).to(x.dtype))
            ) * keep
        for block in self.blocks:
            x = block(x) * keep
        x = self.last_norm(x)
        size, phase = self.head(x).float().unflatten(-1, (self.frames_per_unit, 2, -1)).unbind(-2)
        spectra = torch.polar(size.clamp(max=5.0).exp(), phase)  # (B, T, frames, fft_size / 2 + 1)
        if self.harmonics:
            size = self.filter(x).float().unflatten(-1, (self.frames_per_unit, -1))
            spectra = spectra + size.clamp(max=5.0).exp() * self.source(melody).unflatten(1, (-1, self.frames_per_unit))
        spectra = spectra * keep.unsqueeze(2)
        return self._overlap_add(spectra.flatten(1, 2), keep.float().repeat_interleave(self.frames_per_unit, dim=1))

    def predicted_pitch(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Octaves above ``CENTRE_HZ`` and logits of being voiced, (B, T * frames_per_unit) each; arguments as of a call."""
        embedded = self.embed(units, speaker, style).to(precision)
        return self.pitch(embedded, _keep(embedded, mask))

    @torch.no_grad()
    def melody(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> F0Contour | None:
        if not self.harmonics:
            return None
        # The phase sums up what is told: in single precision, it would tell which other units were worked on at the same time.
        octaves, logits = self.predicted_pitch(units, speaker, style, mask, torch.float64)
        return F0Contour.of(CENTRE_HZ * torch.exp2(octaves), logits.sigmoid(), self.frame_rate)

    def part(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None,
        style: Tensor | None,
        melody: F0Contour | None,
        start: int,
        end: int,
    ) -> Tensor:
        window = {prefix: each[:, start:end] for prefix, each in units.items()}
        return self(
            window,
            speaker,
            style,
            melody=melody and melody.part(start * self.frames_per_unit, end * self.frames_per_unit),
        )

    def _overlap_add(self, spectra: Tensor, keep: Tensor) -> Tensor:
        """Map spectra (B, F, fft_size / 2 + 1) to samples (B, F * hop); frames with ``keep`` 0, (B, F, 1), count for nothing."""
        frames = torch.fft.irfft(spectra, self.fft_size) * self.window  # (B, F, fft_size)
        weights = self.window.square() * keep
        samples, envelope = (_fold(x, self.hop) for x in (frames, weights))
        margin = (self.fft_size - self.hop) // 2
        inside = slice(margin, margin + spectra.shape[1] * self.hop)
        return samples[:, inside] / envelope[:, inside].clamp(min=1e-6)


def _keep(x: Tensor, mask: Tensor | None) -> Tensor:
    """1 where there are units, else 0: (B, T, 1) for x (B, C, T)."""
    return x.new_ones(x.shape[0], x.shape[2], 1) if mask is None else mask.unsqueeze(-1).to(x.dtype)


def _fold(frames: Tensor, hop: int) -> Tensor:
    """Add frames (B, F, N) that start ``hop`` samples apart: (B, (F - 1) * hop + N)."""
    batch, count, length = frames.shape
    pieces = frames.reshape(batch, count, length // hop, hop)
    return sum(F.pad(pieces[:, :, i], (0, 0, i, length // hop - 1 - i)) for i in range(length // hop)).flatten(1)
