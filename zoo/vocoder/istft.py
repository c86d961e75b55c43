"""Generator that maps units to a waveform by an inverse short-time Fourier transform, far cheaper than HiFi-GAN."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import NONEMPTY, NumLayers, NumUnits, OddKernelSize, OptionalSize, Rate, SampleRate, Size, check_ranges
from zoo.vocoder.generator import Generator, split_config
from zoo.vocoder.harmonic_source import CENTER_HZ, F0Contour, HarmonicSource, PitchHead

MAX_LOG_MAGNITUDE = 5.0  # upper bound of log-magnitudes before the exponential


class ConvNeXtBlock(nn.Module):
    """Residual block of a depthwise convolution over time and two linear layers (Liu et al. 2022, ConvNeXt).

    Args:
        channels: Width of the block.
        hidden: Width between the linear layers.
        kernel_size: Odd kernel size of the depthwise convolution.
        scale: Initial factor on the output before it is added to the input.
    """

    def __init__(self, channels: int, hidden: int, kernel_size: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, hidden)
        self.contract = nn.Linear(hidden, channels)
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

    channels: Size = 512
    hidden: Size = 1536
    num_blocks: NumLayers = 8
    kernel_size: OddKernelSize = 7

    def __post_init__(self) -> None:
        check_ranges(self)


class ISTFTGenerator(Generator):
    """ConvNeXt blocks at the unit rate and a head that predicts all spectra of a unit (after Vocos, Siuzdak 2023).

    A network at the unit rate cannot represent the phase of a voice. With ``harmonics``, a small head predicts F0 and
    voicing, from which a source of tones at the multiples of F0 is made. The network predicts a filter, the magnitude
    of the source at each frequency, and spectra that are added to the filtered source (as in Wang et al. 2019).

    Args:
        streams: Number of units of each stream by prefix; durations are predicted from the first, phonetic stream.
        unit_rate: Units per second; the units of every stream are repeated to this rate.
        num_speakers: Number of speakers; 0 for a single voice.
        num_styles: Number of styles of a whole utterance, beside the streams; 0 for none.
        embedding_dim: Width of each embedding.
        backbone: Sizes of the ConvNeXt blocks. Defaults to ``ConvNeXtSizes()``.
        frames_per_unit: Number of spectra per unit; the samples of a unit must be a multiple of twice this number.
        overlap: Number of frames that overlap at each sample, even: the transform is ``overlap`` hops long.
        sample_rate: Sample rate of the waveform in Hz.
        harmonics: Largest number of tones in the source, those above half the sample rate left out; 0 for no source.

    Raises:
        ValueError: If ``frames_per_unit`` or ``overlap`` is invalid, or a unit would not last whole samples.
    """

    window: Tensor

    def __init__(
        self,
        streams: Annotated[dict[str, NumUnits], NONEMPTY],
        unit_rate: Rate,
        num_speakers: OptionalSize = 0,
        num_styles: OptionalSize = 0,
        embedding_dim: Size = 128,
        backbone: ConvNeXtSizes | None = None,
        frames_per_unit: Size = 4,
        overlap: Size = 4,
        sample_rate: SampleRate = 16000,
        harmonics: OptionalSize = 0,
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
        channels = backbone.channels
        kernel_size = backbone.kernel_size
        if self.samples_per_unit % (2 * frames_per_unit) or overlap < 2 or overlap % 2:
            raise ValueError(
                f"frames_per_unit {frames_per_unit}, overlap {overlap}: want an even number of samples per frame, of "
                f"{self.samples_per_unit} per unit, and an even overlap"
            )
        self.frames_per_unit = frames_per_unit
        self.hop = self.samples_per_unit // frames_per_unit
        self.fft_size = overlap * self.hop
        self.frame_rate = sample_rate / self.hop
        self.first = nn.Conv1d(self.embed.width, channels, kernel_size, padding=kernel_size // 2)
        self.first_norm = nn.LayerNorm(channels)
        scale = 1 / backbone.num_blocks
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, backbone.hidden, kernel_size, scale) for _ in range(backbone.num_blocks)
        )
        self.last_norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, frames_per_unit * (self.fft_size + 2))
        self._initialize_phases()
        self.register_buffer("window", torch.hann_window(self.fft_size), persistent=False)
        # The reach of all convolutions, plus the units whose frames overlap those of a unit.
        self.context_units = (backbone.num_blocks + 1) * (kernel_size // 2) + -(-overlap // (2 * frames_per_unit))
        if harmonics:
            self._add_source(harmonics, channels, kernel_size)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ISTFTGenerator":
        backbone, others = split_config(ConvNeXtSizes, config)
        return cls(**others, backbone=backbone)

    def _add_source(self, harmonics: int, channels: int, kernel_size: int) -> None:
        """Create the submodules of the harmonic source."""
        self.harmonics = harmonics
        self.pitch = PitchHead(self.embed.width, self.frames_per_unit)
        self.source = HarmonicSource(harmonics, self.fft_size, self.sample_rate)
        self.from_pitch = nn.Linear(2 * self.frames_per_unit, channels)
        self.filter = nn.Linear(channels, self.frames_per_unit * (self.fft_size // 2 + 1))
        nn.init.constant_(self.filter.bias, -1.0)
        # The pitch head's predictions are added after the first convolution; if the head has a larger kernel, it
        # extends the context.
        self.context_units += max(0, self.pitch.reach - kernel_size // 2)

    @torch.no_grad()
    def _initialize_phases(self) -> None:
        """Initialize the head to quiet frames in which the phase of each bin continues from frame to frame.

        With random phases, overlapping frames would cancel each other, and the gradient would carry little information.
        """
        bins = torch.arange(self.fft_size // 2 + 1)
        frames = torch.arange(self.frames_per_unit)
        magnitude, phase = self.head.bias.view(self.frames_per_unit, 2, -1).unbind(1)  # (frames, bins) each
        magnitude.fill_(-3.0)
        start = 2 * torch.pi * torch.rand(len(bins))
        # The phase of bin k advances k / fft_size cycles per sample, hence hop * k / fft_size cycles per frame.
        phase.copy_(start + 2 * torch.pi * self.hop / self.fft_size * torch.outer(frames, bins))
        self.head.weight.view(self.frames_per_unit, 2, len(bins), -1)[:, 1].mul_(0.1)

    def forward(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
        contour: F0Contour | None = None,
    ) -> Tensor:
        """Map units (B, T) of each stream to a waveform (B, T * samples_per_unit).

        Args:
            units: Units (B, T) of each stream by prefix, at the unit rate.
            speaker: Speaker indices (B,), if there are several.
            style: Style indices (B,), if there are several.
            mask: True where there are units, (B, T), so that padding has no influence. None for everywhere.
            contour: F0 contour (B, T * frames_per_unit) of the source; predicted from the units if None.
        """
        embedded = self.embed(units, speaker, style)  # (B, width, T)
        keep = _keep(embedded, mask)  # (B, T, 1)
        x = self.first_norm(self.first(embedded * keep.transpose(1, 2)).transpose(1, 2)) * keep  # (B, T, C)
        if self.harmonics:
            contour = self.predict_contour(units, speaker, style, mask) if contour is None else contour
            assert contour is not None, "a generator with harmonics predicts a contour"
            # The features of all frames of a unit, concatenated: (B, T, 2 * frames_per_unit).
            features = contour.features().unflatten(1, (-1, self.frames_per_unit)).flatten(2)
            x = (x + self.from_pitch(features.to(x.dtype))) * keep
        for block in self.blocks:
            x = block(x) * keep
        spectra = self._spectra(self.last_norm(x), contour) * keep.unsqueeze(2)
        keep_frames = keep.float().repeat_interleave(self.frames_per_unit, dim=1)
        return self._overlap_add(spectra.flatten(1, 2), keep_frames)

    def _spectra(self, x: Tensor, contour: F0Contour | None) -> Tensor:
        """Return complex spectra (B, T, frames_per_unit, fft_size / 2 + 1) of the features (B, T, C) of units."""
        magnitude, phase = self.head(x).float().unflatten(-1, (self.frames_per_unit, 2, -1)).unbind(-2)
        spectra = torch.polar(magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase)
        if self.harmonics:
            filters = self.filter(x).float().unflatten(-1, (self.frames_per_unit, -1))
            source = self.source(contour).unflatten(1, (-1, self.frames_per_unit))
            spectra = spectra + filters.clamp(max=MAX_LOG_MAGNITUDE).exp() * source
        return spectra

    def predict_pitch(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> tuple[Tensor, Tensor]:
        """Return octaves above ``CENTER_HZ`` and logits of being voiced, (B, T * frames_per_unit) each.

        Args:
            units: Units (B, T) by prefix, all at the unit rate.
            speaker: Speaker indices (B,), if there are several.
            style: Style indices (B,), if there are several.
            mask: True where there are units, (B, T); None for everywhere.
            precision: Precision to compute in.
        """
        embedded = self.embed(units, speaker, style).to(precision)
        return self.pitch(embedded, _keep(embedded, mask))

    @torch.no_grad()
    def predict_contour(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> F0Contour | None:
        if not self.harmonics:
            return None
        # The phase is a sum over all previous frames. In single precision, rounding errors that depend on which units
        # are processed together would accumulate to an audible difference between `stream` and a call.
        octaves, logits = self.predict_pitch(units, speaker, style, mask, torch.float64)
        return F0Contour.of(CENTER_HZ * torch.exp2(octaves), logits.sigmoid(), self.frame_rate)

    def synthesize_chunk(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None,
        style: Tensor | None,
        contour: F0Contour | None,
        start: int,
        end: int,
    ) -> Tensor:
        chunk = {prefix: stream[:, start:end] for prefix, stream in units.items()}
        if contour is not None:
            contour = contour.part(start * self.frames_per_unit, end * self.frames_per_unit)
        return self(chunk, speaker, style, contour=contour)

    def _overlap_add(self, spectra: Tensor, keep: Tensor) -> Tensor:
        """Return the samples (B, F * hop) of overlapping frames.

        Each frame is windowed; the sum of the windowed frames is divided by the sum of the squared windows.

        Args:
            spectra: Complex spectra (B, F, fft_size / 2 + 1); 0 for padding frames.
            keep: 1 for frames of units, 0 for padding frames, which do not enter the sum of windows, (B, F, 1).
        """
        frames = torch.fft.irfft(spectra, self.fft_size) * self.window  # (B, F, fft_size)
        weights = self.window.square() * keep  # (B, F, fft_size)
        samples = _add_frames(frames, self.hop)
        envelope = _add_frames(weights, self.hop)
        # The first frame is centered on the first hop: samples before that hop, and after the last, are cut off.
        margin = (self.fft_size - self.hop) // 2
        inside = slice(margin, margin + spectra.shape[1] * self.hop)
        return samples[:, inside] / envelope[:, inside].clamp(min=1e-6)


def _keep(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return 1 where there are units and 0 in padding: (B, T, 1) for x (B, C, T)."""
    if mask is None:
        return x.new_ones(x.shape[0], x.shape[2], 1)
    return mask.unsqueeze(-1).to(x.dtype)


def _add_frames(frames: Tensor, hop: int) -> Tensor:
    """Add frames (B, F, N) that start ``hop`` samples apart: (B, (F - 1) * hop + N).

    A frame is cut into N / hop blocks of ``hop`` samples. Block i of frame f lands in block f + i of the result, so
    that the i-th blocks of all frames, shifted by i, are added at once.
    """
    batch, count, length = frames.shape
    num_blocks = length // hop
    blocks = frames.reshape(batch, count, num_blocks, hop)
    shifted = [F.pad(blocks[:, :, i], (0, 0, i, num_blocks - 1 - i)) for i in range(num_blocks)]
    return reduce(torch.add, shifted).flatten(1)
