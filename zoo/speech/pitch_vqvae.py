"""F0 tracks to pitch units and back: a convolutional VQ-VAE (Dhariwal et al. 2020; Polyak et al. 2021).

Its input (B, 2, T) is F0 in Hz, usually less its mean, and 1 where voiced.
"""

import inspect
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """ReLU, dilated 3-tap convolution, ReLU, 1-tap convolution, added to the input: (B, width, T) to the same."""

    def __init__(self, width: int, hidden: int, dilation: int, scale: float, zero_out: bool) -> None:
        super().__init__()
        self.scale = scale
        self.dilated = nn.Conv1d(width, hidden, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(hidden, width, 1)
        if zero_out:
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.out(torch.relu(self.dilated(torch.relu(x))))


class ResidualStack(nn.Sequential):
    """Residual blocks with growing dilation.

    Args:
        width: Channels.
        depth: Blocks.
        expansion: Channels between the two convolutions of a block, as a multiple of ``width``.
        dilation_growth: Block j has dilation ``dilation_growth ** j``.
        dilation_cycle: j counts from 0 again after so many blocks; never if None.
        scale_residual: Divide what each block adds by the square root of ``depth``.
        zero_out: Begin with blocks that add nothing.
        reverse_dilation: The largest dilation first.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        expansion: float,
        dilation_growth: int,
        dilation_cycle: int | None,
        scale_residual: bool,
        zero_out: bool,
        reverse_dilation: bool,
    ) -> None:
        dilations = [dilation_growth ** (j % dilation_cycle if dilation_cycle else j) for j in range(depth)]
        scale = 1 / math.sqrt(depth) if scale_residual and depth else 1.0
        super().__init__(
            *(
                ResidualBlock(width, int(expansion * width), dilation, scale, zero_out)
                for dilation in (reversed(dilations) if reverse_dilation else dilations)
            )
        )


class PitchEncoder(nn.Module):
    """Strided convolutions, each followed by residual blocks: (B, channels, T) to (B, dim, T // stride ** num_downs).

    Args:
        channels: Of the input.
        dim: Of the output.
        width: Channels in between.
        depth: Residual blocks after each strided convolution.
        num_downs: Strided convolutions.
        stride: Of each.
        expansion: Of the residual blocks, as of ``ResidualStack``.
        dilation_growth: Likewise.
        dilation_cycle: Likewise.
        scale_residual: Likewise.
        zero_out: Likewise.
    """

    def __init__(
        self,
        channels: int = 2,
        dim: int = 128,
        width: int = 32,
        depth: int = 4,
        num_downs: int = 4,
        stride: int = 2,
        expansion: float = 1.0,
        dilation_growth: int = 3,
        dilation_cycle: int | None = None,
        scale_residual: bool = False,
        zero_out: bool = False,
    ) -> None:
        super().__init__()
        self.config = _arguments(self, locals())
        self.channels, self.dim, self.factor = channels, dim, stride**num_downs
        self.downs = nn.ModuleList(
            nn.Conv1d(width if i else channels, width, 2 * stride, stride, stride // 2) for i in range(num_downs)
        )
        self.stacks = nn.ModuleList(
            ResidualStack(width, depth, expansion, dilation_growth, dilation_cycle, scale_residual, zero_out, False)
            for _ in range(num_downs)
        )
        self.out = nn.Conv1d(width if num_downs else channels, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for down, stack in zip(self.downs, self.stacks):
            x = stack(down(x))
        return self.out(x)


class PitchDecoder(nn.Module):
    """The way back, residual blocks before transposed convolutions: (B, dim, T) to (B, channels, T * stride ** num_downs).

    Args:
        channels: Of the output.
        dim: Of the input.
        width: Channels in between.
        depth: Residual blocks before each transposed convolution.
        num_downs: Transposed convolutions.
        stride: Of each.
        expansion: Of the residual blocks, as of ``ResidualStack``.
        dilation_growth: Likewise.
        dilation_cycle: Likewise.
        scale_residual: Likewise.
        zero_out: Likewise.
        reverse_dilation: Likewise.
    """

    def __init__(
        self,
        channels: int = 2,
        dim: int = 128,
        width: int = 32,
        depth: int = 4,
        num_downs: int = 4,
        stride: int = 2,
        expansion: float = 1.0,
        dilation_growth: int = 3,
        dilation_cycle: int | None = None,
        scale_residual: bool = False,
        zero_out: bool = False,
        reverse_dilation: bool = False,
    ) -> None:
        super().__init__()
        self.config = _arguments(self, locals())
        self.channels, self.dim, self.factor = channels, dim, stride**num_downs
        self.pre = nn.Conv1d(dim, width, 3, padding=1)
        self.stacks = nn.ModuleList(
            ResidualStack(
                width, depth, expansion, dilation_growth, dilation_cycle, scale_residual, zero_out, reverse_dilation
            )
            for _ in range(num_downs)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(width, width if i + 1 < num_downs else dim, 2 * stride, stride, stride // 2)
            for i in range(num_downs)
        )
        self.out = nn.Conv1d(dim, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pre(x)
        for stack, up in zip(self.stacks, self.ups):
            x = up(stack(x))
        return self.out(x)


@dataclass(frozen=True)
class Quantized:
    """What a codebook makes of latents (B, dim, T).

    Args:
        units: (B, T).
        latents: (B, dim, T): the codes, through which gradients flow to the encoder as if they were its output.
        commitment: Mean squared distance of the encoder's output from its codes.
        replaced: Codes that were re-seeded.
    """

    units: Tensor
    latents: Tensor
    commitment: Tensor
    replaced: int


class EMACodebook(nn.Module):
    """Nearest of ``size`` codes, each the running mean of the latents nearest to it (van den Oord et al. 2017).

    A code that too few latents choose is put on a latent of the batch, so that none stays dead; the first batch seeds all.

    Args:
        size: Codes.
        dim: Of each.
        decay: Of the running means.
        min_usage: A code with a running mean of fewer latents a batch is re-seeded.
    """

    def __init__(self, size: int = 64, dim: int = 128, decay: float = 0.99, min_usage: float = 1.0) -> None:
        super().__init__()
        self.config = _arguments(self, locals())
        self.size, self.dim, self.decay, self.min_usage = size, dim, decay, min_usage
        self.register_buffer("codes", torch.randn(size, dim))
        self.register_buffer("sums", torch.zeros(size, dim))
        self.register_buffer("usage", torch.zeros(size))  # 0 everywhere: not seeded yet

    def nearest(self, latents: Tensor) -> Tensor:
        """(B, dim, T) to units (B, T)."""
        x = latents.transpose(1, 2)
        return (self.codes.square().sum(1) - 2 * x @ self.codes.T).argmin(-1)

    def look_up(self, units: Tensor) -> Tensor:
        """(B, T) to codes (B, dim, T)."""
        return F.embedding(units, self.codes).transpose(1, 2)

    def forward(self, latents: Tensor) -> Quantized:
        """Quantize; in training mode, move the codes as well."""
        replaced = 0
        with torch.no_grad():
            rows = latents.transpose(1, 2).flatten(0, 1).to(self.codes.dtype)
            if self.training and not self.usage.any():
                self.trust(self._drawn(rows, self.size))
            units = self.nearest(latents)
            codes = self.look_up(units)
            if self.training:
                replaced = self._move(rows, units.flatten())
        commitment = F.mse_loss(latents, codes)
        return Quantized(units, latents + (codes - latents).detach(), commitment, replaced)

    def trust(self, codes: Tensor) -> None:
        """Take codes (size, dim) from elsewhere, and train on from them."""
        self.codes.copy_(codes)
        self.sums.copy_(self.codes * self.min_usage)
        self.usage.fill_(self.min_usage)

    def _move(self, latents: Tensor, units: Tensor) -> int:
        """One step of the running means, with latents (N, dim); returns how many codes were re-seeded."""
        found = torch.bincount(units, minlength=self.size).to(latents.dtype)
        self.sums.mul_(self.decay).index_add_(0, units, latents, alpha=1 - self.decay)
        self.usage.mul_(self.decay).add_(found, alpha=1 - self.decay)
        self.codes.copy_(self.sums / self.usage.clamp(min=1e-6)[:, None])
        dead = (self.usage < self.min_usage).nonzero()[:, 0]
        if len(dead):
            self.codes[dead] = self._drawn(latents, len(dead))
            self.sums[dead], self.usage[dead] = self.codes[dead] * self.min_usage, self.min_usage
        return len(dead)

    def _drawn(self, latents: Tensor, count: int) -> Tensor:
        """Latents of the batch at random, with a little noise where there are too few."""
        order = torch.cat(
            [torch.randperm(len(latents), device=latents.device) for _ in range(-(-count // len(latents)))]
        )[:count]
        noise = 0.01 * latents.std() * torch.randn(count, self.dim, device=latents.device)
        return latents[order] + (noise if count > len(latents) else 0)


class PitchVQVAE(nn.Module):
    """F0 tracks (B, 2, T) to pitch units (B, T // factor) and back.

    Args:
        encoder: Tracks to latents.
        codebook: Latents to units.
        decoder: Codes to tracks; None where only units are wanted.
        scale_hz: The networks see F0 divided by this, so that both channels are of one size; 1 in Spirit LM.

    Raises:
        ValueError: Where the parts do not fit together.
    """

    def __init__(
        self, encoder: PitchEncoder, codebook: EMACodebook, decoder: PitchDecoder | None = None, scale_hz: float = 1.0
    ) -> None:
        super().__init__()
        if codebook.dim != encoder.dim:
            raise ValueError(f"dim is {encoder.dim} in the encoder and {codebook.dim} in the codebook; they must agree")
        for name in ("dim", "factor", "channels") if decoder else ():
            if getattr(encoder, name) != getattr(decoder, name):
                raise ValueError(
                    f"{name} is {getattr(encoder, name)} in the encoder and {getattr(decoder, name)} in the decoder; they must agree"
                )
        self.encoder, self.codebook, self.decoder = encoder, codebook, decoder
        self.scale_hz, self.factor = scale_hz, encoder.factor
        self.register_buffer(
            "scale", torch.tensor([scale_hz] + [1.0] * (encoder.channels - 1))[:, None], persistent=False
        )

    def encode(self, tracks: Tensor) -> Tensor:
        """Units (B, T // factor) of tracks (B, 2, T)."""
        return self.codebook.nearest(self.encoder(tracks / self.scale))

    def decode(self, units: Tensor) -> Tensor:
        """Tracks (B, 2, T * factor) of units (B, T).

        Raises:
            ValueError: Where there is no decoder.
        """
        if self.decoder is None:
            raise ValueError("this pitch VQ-VAE was made without a decoder: it has units only")
        return self.decoder(self.codebook.look_up(units)) * self.scale

    def forward(self, tracks: Tensor) -> tuple[Tensor, Quantized]:
        """Reconstructed tracks (B, 2, T), T a multiple of ``factor``, and what the codebook made of their latents."""
        quantized = self.codebook(self.encoder(tracks / self.scale))
        return self.decoder(quantized.latents) * self.scale, quantized

    def config(self) -> dict[str, Any]:
        """What ``build`` makes this network of again, with random weights."""
        return {
            "encoder": self.encoder.config,
            "codebook": self.codebook.config,
            "decoder": self.decoder and self.decoder.config,
            "scale_hz": self.scale_hz,
        }

    @classmethod
    def build(cls, config: dict[str, Any]) -> "PitchVQVAE":
        """The opposite of ``config``."""
        decoder = PitchDecoder(**config["decoder"]) if config["decoder"] else None
        return cls(PitchEncoder(**config["encoder"]), EMACodebook(**config["codebook"]), decoder, config["scale_hz"])


def _arguments(module: nn.Module, values: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the constructor whose locals these are."""
    return {name: values[name] for name in inspect.signature(type(module)).parameters}
