"""Units to waveform: what every generator shares, and the unit HiFi-GAN."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from zoo.vocoder.harmonic_source import F0Contour

SLOPE, LAST_SLOPE = 0.1, 0.01


class UnitEmbedding(nn.Module):
    """One embedding per stream, then speaker and style, side by side in that order (the order of Spirit LM).

    Args:
        streams: Number of units by prefix, in the order of their channels.
        dim: Width of each embedding.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: Of the style of a whole utterance, not the style stream; 0 for none.
    """

    def __init__(self, streams: dict[str, int], dim: int, num_speakers: int, num_styles: int) -> None:
        super().__init__()
        self.units = nn.ModuleDict({prefix: nn.Embedding(size, dim) for prefix, size in streams.items()})
        self.speaker = nn.Embedding(num_speakers, dim) if num_speakers else None
        self.style = nn.Embedding(num_styles, dim) if num_styles else None
        self.width = dim * (len(streams) + bool(num_speakers) + bool(num_styles))

    def forward(self, units: dict[str, Tensor], speaker: Tensor | None, style: Tensor | None) -> Tensor:
        """Map units (B, T) of each stream, speakers (B,) and styles (B,) to (B, width, T)."""
        parts = [table(units[prefix]) for prefix, table in self.units.items()]  # (B, T, dim) each
        for table, index in ((self.speaker, speaker), (self.style, style)):
            if table is not None:
                parts.append(table(index).unsqueeze(1).expand(-1, parts[0].shape[1], -1))
        return torch.cat(parts, dim=-1).transpose(1, 2)


class Generator(nn.Module):
    """A network from unit-rate streams to a waveform of ``samples_per_unit`` samples each.

    Args:
        streams: Number of units by prefix; the first is the phonetic one, which durations are predicted from.
        unit_rate: Units per second; every stream comes repeated to this rate.
        embedding_dim: Width of each embedding.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: 0 unless an utterance has a style besides its streams.
        sample_rate: Of the waveform, in Hz; a whole multiple of ``unit_rate``.

    Raises:
        ValueError: Where a unit would not last a whole number of samples.
    """

    config: dict[str, Any]
    context_units: int
    harmonics: int = 0

    def __init__(
        self,
        streams: dict[str, int],
        unit_rate: float,
        embedding_dim: int,
        num_speakers: int,
        num_styles: int,
        sample_rate: int,
    ) -> None:
        super().__init__()
        samples = sample_rate / unit_rate
        if not streams or abs(samples - round(samples)) > 1e-6:
            raise ValueError(
                f"streams {dict(streams)} at unit_rate {unit_rate} for a sample_rate of {sample_rate}: "
                f"want at least one stream and whole samples per unit, not {samples:.3f}"
            )
        self.streams, self.unit_rate, self.sample_rate = dict(streams), unit_rate, sample_rate
        self.num_speakers, self.num_styles, self.samples_per_unit = num_speakers, num_styles, round(samples)
        self.embed = UnitEmbedding(self.streams, embedding_dim, num_speakers, num_styles)

    def phonetic(self, units: Tensor) -> Tensor:
        """Embeddings of the first stream, for the duration predictor: (B, T) -> (B, T, embedding_dim)."""
        return next(iter(self.embed.units.values()))(units)

    def melody(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> F0Contour | None:
        """What must be known of all units before a part of them is spoken; None where that is nothing. Arguments as of a call."""
        return None

    def part(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None,
        style: Tensor | None,
        melody: F0Contour | None,
        start: int,
        end: int,
    ) -> Tensor:
        """Speak units ``start`` to ``end`` of (B, T) as they sound with nothing around them, but in the melody of all."""
        return self({prefix: each[:, start:end] for prefix, each in units.items()}, speaker, style)

    def remove_weight_norm(self) -> None:
        """Fold weight norm into the weights: same output, less work; for inference."""
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")

    def add_weight_norm(self) -> None:
        """Put back what ``remove_weight_norm`` took away: same output; to train further. Nothing for a network made without it."""


class Convolution(nn.Conv1d):
    """A convolution over time of (B, C, T), or of (B, C, 1, T) with the channels of a moment side by side in memory."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return super().forward(x)
        return F.conv2d(
            x, self.weight.unsqueeze(2), self.bias, padding=(0, self.padding[0]), dilation=(1, self.dilation[0])
        )


class TransposedConvolution(nn.ConvTranspose1d):
    """The same, transposed."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            return super().forward(x)
        return F.conv_transpose2d(
            x, self.weight.unsqueeze(2), self.bias, stride=(1, self.stride[0]), padding=(0, self.padding[0])
        )


class ResidualBlock(nn.Module):
    """Dilated convolutions, each followed by a plain one, each pair around a shortcut (HiFi-GAN's first kind)."""

    def __init__(self, channels: int, kernel_size: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(_conv(channels, channels, kernel_size, d) for d in dilations)
        self.plain = nn.ModuleList(_conv(channels, channels, kernel_size, 1) for _ in dilations)
        self.reach = sum(kernel_size // 2 * (d + 1) for d in dilations)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for dilated, plain in zip(self.dilated, self.plain):
            y = _masked(dilated(F.leaky_relu(x, SLOPE)), mask)
            x = _masked(plain(F.leaky_relu(y, SLOPE, inplace=True)), mask).add_(
                x
            )  # in place: half of the time goes into moving memory
        return x


class HiFiGANGenerator(Generator):
    """Unit HiFi-GAN (Polyak et al. 2021): embeddings, transposed convolutions, averaged residual blocks.

    Args:
        streams: Number of units by prefix; the first is the phonetic one, which durations are predicted from.
        unit_rate: Units per second; every stream comes repeated to this rate.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: 0 unless an utterance has a style besides its streams.
        embedding_dim: Width of each embedding.
        channels: Before the first upsampling; halved by each.
        upsample_rates: Their product is the samples per unit.
        upsample_kernel_sizes: One a rate, larger by an even number, so that lengths multiply exactly.
        resblock_kernel_sizes: One residual block each after every upsampling; odd.
        resblock_dilations: For each residual block, one or more.
        sample_rate: Of the waveform, in Hz.

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
        channels: int = 512,
        upsample_rates: tuple[int, ...] = (5, 4, 4, 4, 2),
        upsample_kernel_sizes: tuple[int, ...] = (11, 8, 8, 8, 4),
        resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11),
        resblock_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
        sample_rate: int = 16000,
    ) -> None:
        config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__(streams, unit_rate, embedding_dim, num_speakers, num_styles, sample_rate)
        self.config = config
        self._check(channels, upsample_rates, upsample_kernel_sizes, resblock_kernel_sizes, resblock_dilations)
        widths = [channels // 2**i for i in range(len(upsample_rates) + 1)]
        self.rates = list(upsample_rates)
        self.pre = _conv(self.embed.width, channels, 7, 1)
        self.ups = nn.ModuleList(
            _drawn(TransposedConvolution(wide, narrow, kernel, rate, padding=(kernel - rate) // 2))
            for wide, narrow, rate, kernel in zip(widths, widths[1:], upsample_rates, upsample_kernel_sizes)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(ResidualBlock(width, k, d) for k, d in zip(resblock_kernel_sizes, resblock_dilations))
            for width in widths[1:]
        )
        self.post = _conv(widths[-1], 1, 7, 1)
        self.context_units = self._context()

    def add_weight_norm(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)) and not is_parametrized(module, "weight"):
                weight_norm(module)

    def _check(
        self,
        channels: int,
        rates: Sequence[int],
        kernels: Sequence[int],
        block_kernels: Sequence[int],
        dilations: Sequence[Sequence[int]],
    ) -> None:
        product = torch.tensor(list(rates)).prod().item()
        if product != self.samples_per_unit:
            raise ValueError(
                f"upsample_rates {list(rates)} multiply to {product}, but a unit lasts {self.samples_per_unit} samples "
                f"({self.sample_rate} Hz / {self.unit_rate:g} units a second): change the rates"
            )
        if len(kernels) != len(rates) or any(k < r or (k - r) % 2 for k, r in zip(kernels, rates)):
            raise ValueError(
                f"upsample_kernel_sizes {list(kernels)} for upsample_rates {list(rates)}: want one a rate, larger by an even number"
            )
        if not block_kernels or len(dilations) != len(block_kernels) or any(k % 2 == 0 for k in block_kernels):
            raise ValueError(
                f"resblock_kernel_sizes {list(block_kernels)} must be odd, with one list each in resblock_dilations, which has {len(dilations)}"
            )
        if channels < 2 ** len(rates):
            raise ValueError(
                f"channels {channels} cannot be halved {len(rates)} times; want at least {2 ** len(rates)}"
            )

    def _context(self) -> int:
        """Units to either side that have a say in the samples of a unit."""
        reach = self.post.kernel_size[0] // 2
        for up, blocks, rate in zip(reversed(self.ups), reversed(self.blocks), reversed(self.rates)):
            reach = (reach + max(block.reach for block in blocks) + (up.kernel_size[0] + rate) // 2 - 1) // rate
        return reach + self.pre.kernel_size[0] // 2

    def forward(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map units (B, T) of each stream to a waveform (B, T * samples_per_unit) in (-1, 1).

        Args:
            units: By prefix, all at the unit rate.
            speaker: Index, (B,); where there is a choice.
            style: Index, (B,); where there is a choice.
            mask: True where there are units, (B, T); rows come out as if each were alone. None: everywhere.
        """
        x = self.embed(units, speaker, style)
        mask = None if mask is None else mask.unsqueeze(1).float()  # (B, 1, T)
        if (
            x.device.type == "cpu"
        ):  # whose convolutions of few channels are several times as fast with these side by side
            x = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)  # (B, C, 1, T)
            mask = None if mask is None else mask.unsqueeze(2)
        x = _masked(self.pre(_masked(x, mask)), mask)
        for up, blocks, rate in zip(self.ups, self.blocks, self.rates):
            mask = None if mask is None else mask.repeat_interleave(rate, dim=-1)
            x = _masked(up(F.leaky_relu(x, SLOPE, inplace=True)), mask)
            x = reduce(torch.add, (block(x, mask) for block in blocks)) / len(blocks)  # (B, C, [1,] T * rates so far)
        return self.post(F.leaky_relu(x, LAST_SLOPE, inplace=True)).tanh().flatten(1)


def _conv(inputs: int, outputs: int, kernel_size: int, dilation: int) -> nn.Module:
    return _drawn(Convolution(inputs, outputs, kernel_size, dilation=dilation, padding=dilation * (kernel_size // 2)))


def _drawn(conv: nn.Module) -> nn.Module:
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return weight_norm(conv)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask
