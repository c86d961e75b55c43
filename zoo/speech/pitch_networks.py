"""Convolutional encoder and decoder of the pitch VQ-VAE, as in Jukebox (Dhariwal et al. 2020; Polyak et al. 2021)."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from zoo.ranges import NumLayers, NumScales, PositiveFloat, Size, check_ranges


@dataclass(frozen=True)
class ResidualOptions:
    """Form of the residual blocks of ``PitchEncoder`` and ``PitchDecoder``.

    Args:
        expansion: Channels between the two convolutions of a block, as a multiple of the channels of the network.
        dilation_growth: Block j of a stack has dilation ``dilation_growth ** j``.
        dilation_cycle: Number of blocks after which j counts from 0 again; None never restarts it.
        scale_residual: Divide what each block adds by the square root of the number of blocks in its stack.
        zero_out: Initialize the last convolution of each block with zeros, so that training starts from identities.
    """

    expansion: PositiveFloat = 1.0
    dilation_growth: Size = 3
    dilation_cycle: Size | None = None
    scale_residual: bool = False
    zero_out: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)


class ResidualBlock(nn.Module):
    """Residual block: the input (B, width, T) plus a dilated convolution of kernel 3 and one of kernel 1, after ReLUs.

    Args:
        width: Channels of input and output.
        hidden: Channels between the convolutions.
        dilation: Dilation of the first convolution.
        scale: Factor on the output of the convolutions before it is added to the input.
        zero_out: Initialize the second convolution with zeros.
    """

    def __init__(self, width: int, hidden: int, dilation: int, scale: float, zero_out: bool) -> None:
        super().__init__()
        self.scale = scale
        self.dilated = nn.Conv1d(width, hidden, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(hidden, width, 1)
        if zero_out:
            for parameter in self.out.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.out(torch.relu(self.dilated(torch.relu(x))))


class ResidualStack(nn.Sequential):
    """Residual blocks with growing dilation.

    Args:
        width: Channels.
        depth: Number of blocks.
        options: Form of the blocks.
        reverse_dilation: Put the block with the largest dilation first.
    """

    def __init__(self, width: int, depth: int, options: ResidualOptions, reverse_dilation: bool = False) -> None:
        cycle = options.dilation_cycle or max(1, depth)
        dilations = [options.dilation_growth ** (j % cycle) for j in range(depth)]
        if reverse_dilation:
            dilations.reverse()
        scale = 1 / math.sqrt(depth) if options.scale_residual and depth else 1.0
        hidden = int(options.expansion * width)
        blocks = [ResidualBlock(width, hidden, dilation, scale, options.zero_out) for dilation in dilations]
        super().__init__(*blocks)


class PitchEncoder(nn.Module):
    """Strided convolutions, each followed by residual blocks: (B, channels, T) to (B, dim, T // stride ** num_downs).

    Args:
        channels: Channels of the input.
        dim: Channels of the output.
        width: Channels in between.
        depth: Residual blocks after each strided convolution.
        num_downs: Number of strided convolutions.
        stride: Stride of each strided convolution.
        residual: Form of the residual blocks; None for the defaults of ``ResidualOptions``.
    """

    def __init__(
        self,
        channels: Size = 2,
        dim: Size = 128,
        width: Size = 32,
        depth: NumLayers = 4,
        num_downs: NumScales = 4,
        stride: Size = 2,
        residual: ResidualOptions | None = None,
    ) -> None:
        super().__init__()
        residual = residual or ResidualOptions()
        self.channels = channels
        self.dim = dim
        self.factor = stride**num_downs
        self._config = {
            "channels": channels,
            "dim": dim,
            "width": width,
            "depth": depth,
            "num_downs": num_downs,
            "stride": stride,
            **asdict(residual),
        }
        self.downs = nn.ModuleList()
        for number in range(num_downs):
            in_channels = width if number > 0 else channels
            self.downs.append(nn.Conv1d(in_channels, width, 2 * stride, stride, stride // 2))
        self.stacks = nn.ModuleList(ResidualStack(width, depth, residual) for _ in range(num_downs))
        self.out = nn.Conv1d(width if num_downs else channels, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for down, stack in zip(self.downs, self.stacks, strict=True):
            x = stack(down(x))
        return self.out(x)

    def config(self) -> dict[str, Any]:
        """Return what ``from_config`` builds this network from; the residual options stand among the other keys."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PitchEncoder":
        """Build the network of a ``config``, with random weights."""
        return cls(**_group_residual(config))


class PitchDecoder(nn.Module):
    """Residual blocks before transposed convolutions: (B, dim, T) to (B, channels, T * stride ** num_downs).

    Args:
        channels: Channels of the output.
        dim: Channels of the input.
        width: Channels in between.
        depth: Residual blocks before each transposed convolution.
        num_downs: Number of transposed convolutions.
        stride: Stride of each transposed convolution.
        residual: Form of the residual blocks; None for the defaults of ``ResidualOptions``.
        reverse_dilation: Begin each stack of residual blocks with the largest dilation.
    """

    def __init__(
        self,
        channels: Size = 2,
        dim: Size = 128,
        width: Size = 32,
        depth: NumLayers = 4,
        num_downs: NumScales = 4,
        stride: Size = 2,
        residual: ResidualOptions | None = None,
        reverse_dilation: bool = False,
    ) -> None:
        super().__init__()
        residual = residual or ResidualOptions()
        self.channels = channels
        self.dim = dim
        self.factor = stride**num_downs
        self._config = {
            "channels": channels,
            "dim": dim,
            "width": width,
            "depth": depth,
            "num_downs": num_downs,
            "stride": stride,
            **asdict(residual),
            "reverse_dilation": reverse_dilation,
        }
        self.pre = nn.Conv1d(dim, width, 3, padding=1)
        self.stacks = nn.ModuleList(ResidualStack(width, depth, residual, reverse_dilation) for _ in range(num_downs))
        self.ups = nn.ModuleList()
        for number in range(num_downs):
            out_channels = width if number + 1 < num_downs else dim
            self.ups.append(nn.ConvTranspose1d(width, out_channels, 2 * stride, stride, stride // 2))
        self.out = nn.Conv1d(dim, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pre(x)
        for stack, up in zip(self.stacks, self.ups, strict=True):
            x = up(stack(x))
        return self.out(x)

    def config(self) -> dict[str, Any]:
        """Return what ``from_config`` builds this network from; the residual options stand among the other keys."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PitchDecoder":
        """Build the network of a ``config``, with random weights."""
        return cls(**_group_residual(config))


def _group_residual(config: dict[str, Any]) -> dict[str, Any]:
    """Turn a flat ``config`` into constructor arguments, in which the residual options are one argument."""
    names = [field.name for field in fields(ResidualOptions)]
    arguments = {name: value for name, value in config.items() if name not in names}
    options = {name: config[name] for name in names}
    return {**arguments, "residual": ResidualOptions(**options)}
