"""ResynthesisJudges of waveforms: folded by several periods, and at several scales (Kong et al. 2020, HiFi-GAN)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

SLOPE = 0.1


@dataclass(frozen=True)
class DiscriminatorOutput:
    """What one discriminator says of a batch.

    Args:
        score: Towards 1 for real and 0 for made, (B, M).
        features: Output of each layer, the score's own among them.
    """

    score: Tensor
    features: list[Tensor]


class PeriodDiscriminator(nn.Module):
    """Looks at every ``period``-th sample with two-dimensional convolutions.

    Args:
        period: Samples between those that one column holds.
        channels: Of the first layer; four times as many after each of the next two, and twice as many after the third.
        max_channels: Bound on the above.
    """

    def __init__(self, period: int, channels: int, max_channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, *(min(channels * m, max_channels) for m in (1, 4, 16, 32, 32))]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (stride, 1), padding=(2, 0)))
            for a, b, stride in zip(widths, widths[1:], (3, 3, 3, 3, 1))
        )
        self.last = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        waveform = F.pad(waveform.unsqueeze(1), (0, -waveform.shape[-1] % self.period), mode="reflect")
        return _judge(waveform.unflatten(-1, (-1, self.period)), self.convs, self.last)  # (B, 1, N / period, period)


class ScaleDiscriminator(nn.Module):
    """Looks at consecutive samples with grouped, strided convolutions.

    Args:
        channels: Of the first layer; eight times as many at the end.
        norm: Weight norm or spectral norm.
    """

    def __init__(self, channels: int, norm: type | object = weight_norm) -> None:
        super().__init__()
        c = channels
        layers = [
            (1, c, 15, 1, 1),
            (c, c, 41, 2, 4),
            (c, 2 * c, 41, 2, 16),
            (2 * c, 4 * c, 41, 4, 16),
            (4 * c, 8 * c, 41, 4, 16),
            (8 * c, 8 * c, 41, 1, 16),
            (8 * c, 8 * c, 5, 1, 1),
        ]
        self.convs = nn.ModuleList(
            norm(nn.Conv1d(a, b, k, stride, padding=k // 2, groups=min(groups, a)))
            for a, b, k, stride, groups in layers
        )
        self.last = norm(nn.Conv1d(8 * c, 1, 3, padding=1))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        return _judge(waveform.unsqueeze(1), self.convs, self.last)


class MultiPeriodDiscriminator(nn.Module):
    """Several periods.

    Args:
        periods: Primes, so that they see different samples.
        channels: Of the first layers.
        max_channels: Of the widest layers.
    """

    def __init__(
        self, periods: tuple[int, ...] = (2, 3, 5, 7, 11), channels: int = 32, max_channels: int = 1024
    ) -> None:
        super().__init__()
        self.judges = nn.ModuleList(PeriodDiscriminator(period, channels, max_channels) for period in periods)

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """Judge waveforms (B, N)."""
        return [judge(waveform) for judge in self.judges]


class MultiScaleDiscriminator(nn.Module):
    """The waveform itself, then averaged to half the rate, and again; spectral norm on the first.

    Args:
        num_scales: How many rates.
        channels: Of the first layers; a multiple of 16, or a smaller power of two.
    """

    def __init__(self, num_scales: int = 3, channels: int = 128) -> None:
        super().__init__()
        if channels % 16 and channels not in (4, 8):
            raise ValueError(
                f"channels must be 4, 8 or a multiple of 16, for the groups of the convolutions, got {channels}"
            )
        self.judges = nn.ModuleList(
            ScaleDiscriminator(channels, weight_norm if i else spectral_norm) for i in range(num_scales)
        )

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """Judge waveforms (B, N)."""
        judgments = []
        for i, judge in enumerate(self.judges):
            waveform = F.avg_pool1d(waveform.unsqueeze(1), 4, 2, padding=2).squeeze(1) if i else waveform
            judgments.append(judge(waveform))
        return judgments


class Discriminators(nn.Module):
    """Several families of discriminators as one.

    Args:
        families: Such as MultiPeriodDiscriminator and MultiScaleDiscriminator.
    """

    def __init__(self, families: list[nn.Module]) -> None:
        super().__init__()
        self.families = nn.ModuleList(families)

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """Judge waveforms (B, N)."""
        return [judgment for family in self.families for judgment in family(waveform)]


def _judge(x: Tensor, convs: Sequence[nn.Module], last: nn.Module) -> DiscriminatorOutput:
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE)
        features.append(x)
    x = last(x)
    return DiscriminatorOutput(torch.flatten(x, 1), [*features, x])
