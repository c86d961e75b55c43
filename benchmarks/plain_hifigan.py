"""The unit HiFi-GAN of Spirit LM Base in plain PyTorch, a reference for the speed of ``HiFiGANGenerator``."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

UPSAMPLE_RATES = (5, 4, 4, 4, 2)
UPSAMPLE_KERNELS = (11, 8, 8, 8, 4)
BLOCK_KERNELS = (3, 7, 11)
DILATIONS = (1, 3, 5)
NUM_UNITS, NUM_SPEAKERS, NUM_STYLES = 501, 4, 26


class ResidualBlock(nn.Module):
    """Dilated convolutions, each followed by one without dilation and added to its input (Kong et al. 2020)."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.dilated = nn.ModuleList()
        self.plain = nn.ModuleList()
        for dilation in DILATIONS:
            padding = dilation * (kernel // 2)
            self.dilated.append(weight_norm(nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding)))
        for _ in DILATIONS:
            self.plain.append(weight_norm(nn.Conv1d(channels, channels, kernel, padding=kernel // 2)))

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, 0.1)), 0.1))
        return x


class PlainHiFiGAN(nn.Module):
    """Units, a speaker and a style to a waveform; the parameters have the order of ``HiFiGANGenerator``."""

    def __init__(self, channels: int = 512, dim: int = 128) -> None:
        super().__init__()
        self.units = nn.Embedding(NUM_UNITS, dim)
        self.speaker = nn.Embedding(NUM_SPEAKERS, dim)
        self.style = nn.Embedding(NUM_STYLES, dim)
        self.pre = weight_norm(nn.Conv1d(3 * dim, channels, 7, padding=3))
        self.ups = nn.ModuleList()
        self.blocks = nn.ModuleList()
        for rate, kernel in zip(UPSAMPLE_RATES, UPSAMPLE_KERNELS, strict=True):
            padding = (kernel - rate) // 2
            self.ups.append(weight_norm(nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=padding)))
            channels //= 2
            for block_kernel in BLOCK_KERNELS:
                self.blocks.append(ResidualBlock(channels, block_kernel))
        self.post = weight_norm(nn.Conv1d(channels, 1, 7, padding=3))

    def forward(self, units: Tensor, speaker: Tensor, style: Tensor) -> Tensor:
        """Synthesize units (B, T) of a speaker (B,) in a style (B,): (B, N)."""
        x = self.units(units)
        speaker = self.speaker(speaker).unsqueeze(1).expand_as(x)
        style = self.style(style).unsqueeze(1).expand_as(x)
        x = self.pre(torch.cat([x, speaker, style], dim=2).transpose(1, 2))
        for number, up in enumerate(self.ups):
            x = up(F.leaky_relu(x, 0.1))
            first = number * len(BLOCK_KERNELS)
            blocks = self.blocks[first : first + len(BLOCK_KERNELS)]
            x = sum(block(x) for block in blocks) / len(BLOCK_KERNELS)
        return torch.tanh(self.post(F.leaky_relu(x, 0.01))).squeeze(1)
