"""Durations of deduplicated units: their prediction, and the repetition of units by them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from zoo.ranges import OddKernelSize, Share, Size
from zoo.vocoder.typed_modules import typed


class DurationPredictor(nn.Module):
    """Duration predictor: two convolutions over unit embeddings (Ren et al. 2021, FastSpeech 2; Polyak et al. 2021).

    Args:
        dim: Width of the unit embeddings.
        hidden_dim: Width of the convolutions.
        kernel_size: Kernel size of each convolution in units; odd, so that the length is kept.
        dropout: Dropout probability after each convolution.

    Raises:
        ValueError: If ``kernel_size`` is even.
    """

    def __init__(self, dim: Size, hidden_dim: Size = 128, kernel_size: OddKernelSize = 3, dropout: Share = 0.5) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd to keep the length, got {kernel_size}")
        self.config = {"dim": dim, "hidden_dim": hidden_dim, "kernel_size": kernel_size, "dropout": dropout}
        self.convs = nn.ModuleList(
            nn.Conv1d(width, hidden_dim, kernel_size, padding=kernel_size // 2) for width in (dim, hidden_dim)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_dim) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden_dim, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map unit embeddings (B, T, dim) to log(1 + frames), (B, T).

        Args:
            x: Unit embeddings, (B, T, dim).
            mask: True where there is a unit, (B, T); padding has no influence on the units. None if there is no
                padding.
        """
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = x if mask is None else x * mask.unsqueeze(-1)
            x = conv(x.transpose(1, 2)).relu().transpose(1, 2)
            x = self.dropout(norm(x))
        return self.out(x).squeeze(-1)

    @property
    def reach(self) -> int:
        """Number of units on either side that the duration of a unit depends on."""
        return sum(conv.kernel_size[0] // 2 for conv in typed(self.convs, nn.Conv1d))

    @torch.inference_mode()
    def frames(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the integer number of frames of each unit, at least 1: (B, T, dim) -> (B, T) int64.

        Halves are rounded to the nearest even number.

        Args:
            x: Unit embeddings, (B, T, dim).
            mask: True where there is a unit, (B, T); None if there is no padding.
        """
        return (self(x, mask).exp() - 1).round().clamp(min=1).long()


def repeat_units(units: Mapping[str, Tensor], durations: Tensor) -> dict[str, Tensor]:
    """Repeat the units of every stream by the durations of the phonetic ones: (N,) -> (T,) by prefix.

    Args:
        units: Units of each stream, one for each phonetic unit, (N,) by prefix.
        durations: Number of frames of each phonetic unit, (N,).
    """
    return {prefix: row.repeat_interleave(durations) for prefix, row in units.items()}
