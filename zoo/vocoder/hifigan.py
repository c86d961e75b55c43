"""Unit HiFi-GAN, a generator that upsamples units to a waveform by transposed convolutions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized

from zoo.ranges import NONEMPTY, KernelSize, NumUnits, OddKernelSize, OptionalSize, Rate, SampleRate, Size, check_ranges
from zoo.vocoder.generator import Generator, split_config
from zoo.vocoder.typed_modules import typed

SLOPE = 0.1  # negative slope of the leaky ReLUs
LAST_SLOPE = 0.01  # negative slope of the leaky ReLU before the last convolution


class Convolution(nn.Conv1d):
    """Convolution over time of (B, C, T), or of (B, C, 1, T) in ``channels_last`` memory format."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() == 3:
            return super().forward(input)
        padding = _first(self.padding)
        weight = self.weight.unsqueeze(2)  # (outputs, inputs, 1, kernel size)
        return F.conv2d(input, weight, self.bias, padding=(0, padding), dilation=(1, self.dilation[0]))


class TransposedConvolution(nn.ConvTranspose1d):
    """Transposed convolution over time of (B, C, T), or of (B, C, 1, T) in ``channels_last`` memory format."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if input.dim() == 3:
            return super().forward(input, output_size)
        padding = _first(self.padding)
        weight = self.weight.unsqueeze(2)  # (inputs, outputs, 1, kernel size)
        return F.conv_transpose2d(input, weight, self.bias, stride=(1, self.stride[0]), padding=(0, padding))


class ResidualBlock(nn.Module):
    """Residual block of HiFi-GAN's first kind: pairs of a dilated and a plain convolution, each with a shortcut.

    Args:
        channels: Channels of all convolutions.
        kernel_size: Odd kernel size of all convolutions.
        dilations: Dilation of each dilated convolution.
    """

    def __init__(self, channels: int, kernel_size: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(_conv(channels, channels, kernel_size, dilation) for dilation in dilations)
        self.plain = nn.ModuleList(_conv(channels, channels, kernel_size, 1) for _ in dilations)
        # Number of samples on either side that an output sample depends on.
        self.reach = sum(kernel_size // 2 * (dilation + 1) for dilation in dilations)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            y = _masked(dilated(F.leaky_relu(x, SLOPE)), mask)
            y = _masked(plain(F.leaky_relu(y, SLOPE, inplace=True)), mask)
            x = y.add_(x)  # in place, because half of the time is spent on memory traffic
        return x


@dataclass(frozen=True)
class HiFiGANSizes:
    """Sizes of a HiFi-GAN generator, under the names of its original configuration.

    Args:
        channels: Channels before the first upsampling; each upsampling halves them.
        upsample_rates: Factor of each upsampling; their product is the number of samples per unit.
        upsample_kernel_sizes: Kernel size of each upsampling: its rate plus an even number, so that the length is
            multiplied by exactly the rate.
        resblock_kernel_sizes: Odd kernel sizes of the residual blocks after every upsampling.
        resblock_dilations: Dilations of each residual block, one or more.

    Raises:
        ValueError: If the sizes are not consistent.
    """

    channels: Size = 512
    upsample_rates: tuple[Size, ...] = (5, 4, 4, 4, 2)
    upsample_kernel_sizes: tuple[KernelSize, ...] = (11, 8, 8, 8, 4)
    resblock_kernel_sizes: tuple[OddKernelSize, ...] = (3, 7, 11)
    resblock_dilations: tuple[tuple[KernelSize, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))

    def __post_init__(self) -> None:
        rates = list(self.upsample_rates)
        kernels = list(self.upsample_kernel_sizes)
        if len(kernels) != len(rates) or any(k < r or (k - r) % 2 for k, r in zip(kernels, rates, strict=True)):
            raise ValueError(
                f"upsample_kernel_sizes {kernels} for upsample_rates {rates}: "
                "want one kernel size for each rate, larger by an even number"
            )
        block_kernels = list(self.resblock_kernel_sizes)
        num_dilations = len(self.resblock_dilations)
        if not block_kernels or num_dilations != len(block_kernels) or any(k % 2 == 0 for k in block_kernels):
            raise ValueError(
                f"resblock_kernel_sizes {block_kernels} must be odd, with one list each in resblock_dilations, "
                f"which has {num_dilations}"
            )
        if self.channels < 2 ** len(rates):
            raise ValueError(
                f"channels {self.channels} cannot be halved {len(rates)} times; want at least {2 ** len(rates)}"
            )
        check_ranges(self)

    @property
    def widths(self) -> list[int]:
        """Channels before the first upsampling and after each."""
        return [self.channels // 2**i for i in range(len(self.upsample_rates) + 1)]


class HiFiGANGenerator(Generator):
    """Unit HiFi-GAN (Polyak et al. 2021): embeddings, transposed convolutions, averaged residual blocks.

    Args:
        streams: Number of units of each stream by prefix; durations are predicted from the first, phonetic stream.
        unit_rate: Units per second; the units of every stream are repeated to this rate.
        num_speakers: Number of speakers; 0 for a single voice.
        num_styles: Number of styles of a whole utterance, beside the streams; 0 for none.
        embedding_dim: Width of each embedding.
        backbone: Sizes of the network. Defaults to ``HiFiGANSizes()``.
        sample_rate: Sample rate of the waveform in Hz.

    Raises:
        ValueError: If ``upsample_rates`` do not multiply to the samples per unit, there are no streams, or a unit would
            not last a whole number of samples.
    """

    ups: nn.ModuleList
    blocks: nn.ModuleList

    def __init__(
        self,
        streams: Annotated[dict[str, NumUnits], NONEMPTY],
        unit_rate: Rate,
        num_speakers: OptionalSize = 0,
        num_styles: OptionalSize = 0,
        embedding_dim: Size = 128,
        backbone: HiFiGANSizes | None = None,
        sample_rate: SampleRate = 16000,
    ) -> None:
        super().__init__(streams, unit_rate, embedding_dim, num_speakers, num_styles, sample_rate)
        backbone = backbone or HiFiGANSizes()
        self.config = {
            "streams": streams,
            "unit_rate": unit_rate,
            "num_speakers": num_speakers,
            "num_styles": num_styles,
            "embedding_dim": embedding_dim,
            **asdict(backbone),
            "sample_rate": sample_rate,
        }
        self.rates = list(backbone.upsample_rates)
        self._check_rates()
        widths = backbone.widths
        self.pre = _conv(self.embed.width, widths[0], 7, 1)
        self.ups = nn.ModuleList()
        for index, (rate, kernel) in enumerate(zip(self.rates, backbone.upsample_kernel_sizes, strict=True)):
            # With this padding, T frames become exactly T * rate frames.
            padding = (kernel - rate) // 2
            up = TransposedConvolution(widths[index], widths[index + 1], kernel, rate, padding=padding)
            self.ups.append(_initialized(up))
        self.blocks = nn.ModuleList(_residual_blocks(width, backbone) for width in widths[1:])
        self.post = _conv(widths[-1], 1, 7, 1)
        self.context_units = self._context()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "HiFiGANGenerator":
        backbone, others = split_config(HiFiGANSizes, config)
        return cls(**others, backbone=backbone)

    def add_weight_norm(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)) and not is_parametrized(module, "weight"):
                weight_norm(module)

    def _check_rates(self) -> None:
        product = math.prod(self.rates)
        if product != self.samples_per_unit:
            raise ValueError(
                f"upsample_rates {self.rates} multiply to {product}, but a unit lasts {self.samples_per_unit} samples "
                f"({self.sample_rate} Hz / {self.unit_rate:g} units a second): change the rates"
            )

    def _context(self) -> int:
        """Return the number of units on either side that the samples of a unit depend on.

        The context is computed from the output backwards, in frames of the current layer: it grows by the reach of each
        layer and is divided by the factor of each upsampling.
        """
        reach = _kernel(self.post) // 2
        for up, blocks, rate in zip(reversed(self.ups), reversed(self.blocks), reversed(self.rates), strict=True):
            assert isinstance(blocks, nn.ModuleList)
            block_reach = max(block.reach for block in typed(blocks, ResidualBlock))
            reach = (reach + block_reach + (_kernel(up) + rate) // 2 - 1) // rate
        return reach + _kernel(self.pre) // 2

    def forward(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map units (B, T) of each stream to a waveform (B, T * samples_per_unit) in (-1, 1).

        Args:
            units: Units (B, T) of each stream by prefix, at the unit rate.
            speaker: Speaker indices (B,), if there are several.
            style: Style indices (B,), if there are several.
            mask: True where there are units, (B, T), so that padding has no influence. None for everywhere.
        """
        x = self.embed(units, speaker, style)
        if mask is not None:
            mask = mask.unsqueeze(1).float()  # (B, 1, T)
        if x.device.type == "cpu":
            # In channels_last format, convolutions of few channels are several times faster on a CPU.
            x = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)  # (B, C, 1, T)
            mask = None if mask is None else mask.unsqueeze(2)
        x = _masked(self.pre(_masked(x, mask)), mask)
        for up, blocks, rate in zip(self.ups, self.blocks, self.rates, strict=True):
            assert isinstance(blocks, nn.ModuleList)
            if mask is not None:
                mask = mask.repeat_interleave(rate, dim=-1)
            x = _masked(up(F.leaky_relu(x, SLOPE, inplace=True)), mask)
            outputs = (block(x, mask) for block in blocks)
            x = reduce(torch.add, outputs) / len(blocks)  # (B, C, [1,] T * rates so far)
        return self.post(F.leaky_relu(x, LAST_SLOPE, inplace=True)).tanh().flatten(1)


def _residual_blocks(width: int, backbone: HiFiGANSizes) -> nn.ModuleList:
    """Build the residual blocks after one upsampling."""
    blocks = nn.ModuleList()
    for kernel, dilations in zip(backbone.resblock_kernel_sizes, backbone.resblock_dilations, strict=True):
        blocks.append(ResidualBlock(width, kernel, dilations))
    return blocks


def _conv(inputs: int, outputs: int, kernel_size: int, dilation: int) -> nn.Module:
    """Build a convolution that keeps the length, with initial weights and weight norm."""
    padding = dilation * (kernel_size // 2)
    return _initialized(Convolution(inputs, outputs, kernel_size, dilation=dilation, padding=padding))


def _initialized(conv: nn.Conv1d | nn.ConvTranspose1d) -> nn.Module:
    """Draw HiFi-GAN's initial weights and add weight norm."""
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return weight_norm(conv)


def _kernel(conv: nn.Module) -> int:
    assert isinstance(conv, (nn.Conv1d, nn.ConvTranspose1d))
    return conv.kernel_size[0]


def _first(padding: str | tuple[int, ...]) -> int:
    assert not isinstance(padding, str), "convolutions here have a padding in samples"
    return padding[0]


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask
