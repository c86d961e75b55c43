"""HiFi-GAN discriminators on folded and on downsampled waveforms (Kong et al. 2020)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Predicate
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from zoo.ranges import NONEMPTY, NumScales, Size

SLOPE = 0.1  # negative slope of the leaky ReLUs


@dataclass(frozen=True)
class DiscriminatorOutput:
    """Output of one discriminator for a batch.

    Args:
        score: Scores trained towards 1 for real and 0 for generated speech, (B, M).
        features: Output of each layer; the last one is the score before it is flattened.
    """

    score: Tensor
    features: list[Tensor]


class PeriodDiscriminator(nn.Module):
    """Two-dimensional convolutions over the waveform folded into columns of ``period`` samples.

    Args:
        period: Samples per row of the folded waveform; kernels extend over every ``period``-th sample.
        channels: Channels of the first layer; the next two layers have four times as many each, the fourth twice as
            many.
        max_channels: Upper bound on the channels of a layer.
    """

    def __init__(self, period: int, channels: int, max_channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, *(min(channels * factor, max_channels) for factor in (1, 4, 16, 32, 32))]
        self.convs = nn.ModuleList()
        for inputs, outputs, stride in zip(widths[:-1], widths[1:], (3, 3, 3, 3, 1), strict=True):
            self.convs.append(weight_norm(nn.Conv2d(inputs, outputs, (5, 1), (stride, 1), padding=(2, 0))))
        self.last = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """Score waveforms (B, N)."""
        padding = -waveform.shape[-1] % self.period
        waveform = F.pad(waveform.unsqueeze(1), (0, padding), mode="reflect")
        folded = waveform.unflatten(-1, (-1, self.period))  # (B, 1, N / period, period)
        return _score(folded, self.convs, self.last)


class ScaleDiscriminator(nn.Module):
    """Grouped, strided convolutions over consecutive samples.

    Args:
        channels: Channels of the first layer; the last layers have eight times as many.
        norm: Function that adds weight norm or spectral norm to a layer.
    """

    def __init__(self, channels: int, norm: Callable[[nn.Module], nn.Module] = weight_norm) -> None:
        super().__init__()
        layers = [  # input channels, output channels, kernel size, stride, groups
            (1, channels, 15, 1, 1),
            (channels, channels, 41, 2, 4),
            (channels, 2 * channels, 41, 2, 16),
            (2 * channels, 4 * channels, 41, 4, 16),
            (4 * channels, 8 * channels, 41, 4, 16),
            (8 * channels, 8 * channels, 41, 1, 16),
            (8 * channels, 8 * channels, 5, 1, 1),
        ]
        self.convs = nn.ModuleList()
        for inputs, outputs, kernel, stride, groups in layers:
            conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=min(groups, inputs))
            self.convs.append(norm(conv))
        self.last = norm(nn.Conv1d(8 * channels, 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """Score waveforms (B, N)."""
        return _score(waveform.unsqueeze(1), self.convs, self.last)


class MultiPeriodDiscriminator(nn.Module):
    """Several ``PeriodDiscriminator`` modules with different periods.

    Args:
        periods: Period of each discriminator; prime numbers, so that the discriminators compare different samples.
        channels: Channels of the first layers.
        max_channels: Upper bound on the channels of a layer.
    """

    def __init__(
        self,
        periods: Annotated[tuple[Size, ...], NONEMPTY] = (2, 3, 5, 7, 11),
        channels: Size = 32,
        max_channels: Size = 1024,
    ) -> None:
        super().__init__()
        self.judges = nn.ModuleList(PeriodDiscriminator(period, channels, max_channels) for period in periods)

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """Score waveforms (B, N)."""
        return [discriminator(waveform) for discriminator in self.judges]


def is_4_or_8_or_a_multiple_of_16(number: int) -> bool:
    """Whether the groups of all convolutions of a ``ScaleDiscriminator`` divide so many channels."""
    return number in (4, 8) or number % 16 == 0


class MultiScaleDiscriminator(nn.Module):
    """Several ``ScaleDiscriminator`` modules, each at half the sample rate of the one before.

    The first one, at the original rate, has spectral norm, the others have weight norm.

    Args:
        num_scales: Number of sample rates.
        channels: Channels of the first layers; 4, 8 or a multiple of 16.

    Raises:
        ValueError: If the groups of the convolutions do not divide ``channels``.
    """

    def __init__(
        self, num_scales: NumScales = 3, channels: Annotated[Size, Predicate(is_4_or_8_or_a_multiple_of_16)] = 128
    ) -> None:
        super().__init__()
        if not is_4_or_8_or_a_multiple_of_16(channels):
            raise ValueError(
                f"channels must be 4, 8 or a multiple of 16, for the groups of the convolutions, got {channels}"
            )
        self.judges = nn.ModuleList()
        for scale in range(num_scales):
            self.judges.append(ScaleDiscriminator(channels, weight_norm if scale else spectral_norm))

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """Score waveforms (B, N)."""
        outputs = []
        for scale, discriminator in enumerate(self.judges):
            if scale:
                waveform = F.avg_pool1d(waveform.unsqueeze(1), 4, 2, padding=2).squeeze(1)  # half the rate
            outputs.append(discriminator(waveform))
        return outputs


class Discriminators(nn.Module):
    """Joins several families of discriminators into one module.

    Args:
        families: Modules such as ``MultiPeriodDiscriminator`` and ``MultiScaleDiscriminator``.
    """

    def __init__(self, families: Annotated[list[nn.Module], NONEMPTY]) -> None:
        super().__init__()
        self.families = nn.ModuleList(families)

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """Score waveforms (B, N) with every discriminator of every family."""
        outputs = []
        for family in self.families:
            outputs += family(waveform)
        return outputs


def _score(x: Tensor, convs: Iterable[nn.Module], last: nn.Module) -> DiscriminatorOutput:
    """Run the layers of a discriminator and collect their outputs."""
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE)
        features.append(x)
    x = last(x)
    features.append(x)
    return DiscriminatorOutput(torch.flatten(x, 1), features)
