"""The unit HiFi-GAN: units to a waveform by transposed convolutions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized

from zoo.vocoder.generator import Generator, split_config

SLOPE, LAST_SLOPE = 0.1, 0.01


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


@dataclass(frozen=True)
class HiFiGANSizes:
    """Sizes of a HiFi-GAN generator, under the names of its original configuration.

    Args:
        channels: Channels before the first upsampling; halved by each.
        upsample_rates: Factor of each upsampling; their product is the samples per unit.
        upsample_kernel_sizes: Kernel size of each upsampling; its rate plus an even number, so that lengths multiply exactly.
        resblock_kernel_sizes: Odd kernel sizes of the residual blocks after every upsampling.
        resblock_dilations: Dilations of each residual block, one or more.

    Raises:
        ValueError: Where the sizes do not fit each other.
    """

    channels: int = 512
    upsample_rates: tuple[int, ...] = (5, 4, 4, 4, 2)
    upsample_kernel_sizes: tuple[int, ...] = (11, 8, 8, 8, 4)
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))

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

    @property
    def widths(self) -> list[int]:
        """Channels before the first upsampling and after each."""
        return [self.channels // 2**i for i in range(len(self.upsample_rates) + 1)]


class HiFiGANGenerator(Generator):
    """Unit HiFi-GAN (Polyak et al. 2021): embeddings, transposed convolutions, averaged residual blocks.

    Args:
        streams: Number of units by prefix; the first is the phonetic one, which durations are predicted from.
        unit_rate: Units per second; every stream comes repeated to this rate.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: 0 unless an utterance has a style besides its streams.
        embedding_dim: Width of each embedding.
        backbone: Sizes of the network. Defaults to ``HiFiGANSizes()``.
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
        backbone: HiFiGANSizes | None = None,
        sample_rate: int = 16000,
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
        self.ups = nn.ModuleList(
            _drawn(TransposedConvolution(wide, narrow, kernel, rate, padding=(kernel - rate) // 2))
            for wide, narrow, rate, kernel in zip(widths, widths[1:], self.rates, backbone.upsample_kernel_sizes)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                ResidualBlock(width, kernel, dilations)
                for kernel, dilations in zip(backbone.resblock_kernel_sizes, backbone.resblock_dilations, strict=True)
            )
            for width in widths[1:]
        )
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
