"""Quantizers that CTC trains to give clean and augmented speech the same units (Gat et al. 2023, arXiv 2209.15483)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import NonNegativeFloat, NumLayers, OddKernelSize, Share, Size
from zoo.speech.kmeans import min_cost_path


class CTCQuantizer(nn.Module):
    """Linear layers that map each frame of encoder features to scores of the units and the CTC blank.

    Args:
        widths: Widths of the features, of each hidden layer and of the output, in this order. The output has one score
            per unit and, last, one for the blank. Spirit LM has 768, 702, 635, 501 (``spiritlm_widths``).
        switch_penalty: Penalty of a change of unit, in nats. Above 0, the units are the most likely sequence after
            penalties, as in ``KMeans``, and blanks are ignored. At 0, each frame gets its most likely unit, as in
            Spirit LM.

    Raises:
        ValueError: If a width is not positive, the output has no unit beside the blank, or the penalty is negative.
    """

    def __init__(self, widths: Sequence[Size], switch_penalty: NonNegativeFloat = 0.0) -> None:
        super().__init__()
        if switch_penalty < 0:
            raise ValueError(f"switch_penalty must not be negative, got {switch_penalty}")
        if len(widths) < 2 or min(widths) < 1 or widths[-1] < 2:
            raise ValueError(
                f"widths {list(widths)}: want the width of the features first and units + 1 last, all positive"
            )
        self.widths = tuple(widths)
        self.switch_penalty = switch_penalty
        layers: list[nn.Module] = []
        for in_width, out_width in pairwise(self.widths):
            layers += [nn.Linear(in_width, out_width), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers[:-1])  # no activation after the last layer

    @property
    def size(self) -> int:
        """Number of units, which is also the index of the blank."""
        return self.widths[-1] - 1

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.widths[0]

    @property
    def stream_size(self) -> int:
        """Number of values that ``forward`` may return: the units, and the blank for utterances of blanks only."""
        return self.widths[-1]

    def log_probs(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the log-probabilities of the units and of the blank: (B, T, dim) -> (B, T, size + 1).

        Args:
            features: Encoder features, (B, T, dim).
            lengths: Number of frames in each row, (B,); all T if None. Only subclasses with context use it.
        """
        return self.layers(features).log_softmax(-1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the units of utterances of equal length: (T, dim) -> (T,) int64, or (B, T, dim) -> (B, T)."""
        if features.dim() == 2:
            return self.decode(self.log_probs(features[None]))[0]
        return self.decode(self.log_probs(features))

    def decode(self, log_probs: Tensor) -> Tensor:
        """Return the units (B, T) int64 of log-probabilities (B, T, size + 1)."""
        if not self.switch_penalty:
            return replace_blanks(log_probs.argmax(-1), self.size)
        costs = -unit_log_probs(log_probs.detach()).cpu().numpy()
        paths = [torch.from_numpy(min_cost_path(row, self.switch_penalty)) for row in costs]
        return torch.stack(paths).to(log_probs.device)

    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, as JSON can express them."""
        return {"widths": list(self.widths), "switch_penalty": self.switch_penalty}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CTCQuantizer":
        """Build a quantizer without its weights from what ``config`` returned."""
        return cls(**config)


class ContextCTCQuantizer(CTCQuantizer):
    """A ``CTCQuantizer`` with context, for features of single frames such as filter banks.

    Residual convolutions over time precede the linear layers. The output at a frame depends on ``num_blocks *
    (kernel_frames // 2)`` frames on either side, and on means and standard deviations over the utterance, which carry
    information about speaker, room and noise.

    Args:
        dim: Width of the features.
        widths: Widths of each hidden layer and of the output, whose last score is that of the blank.
        context_dim: Channels of the convolutions.
        num_blocks: Number of convolutions.
        kernel_frames: Kernel size of each convolution, odd.
        dropout: Dropout before the linear layers.
        switch_penalty: Penalty of a change of unit, in nats, as for ``CTCQuantizer``.

    Raises:
        ValueError: If ``kernel_frames`` is even, a width is not positive, the output has no unit beside the blank, or
            the penalty is negative.
    """

    def __init__(
        self,
        dim: Size,
        widths: Sequence[Size],
        context_dim: Size = 128,
        num_blocks: NumLayers = 3,
        kernel_frames: OddKernelSize = 5,
        dropout: Share = 0.1,
        switch_penalty: NonNegativeFloat = 0.0,
    ) -> None:
        super().__init__([context_dim, *widths], switch_penalty)
        if kernel_frames % 2 == 0:
            raise ValueError(
                f"kernel_frames must be odd, so that windows are centered on their frame, got {kernel_frames}"
            )
        self._config = {
            "dim": dim,
            "widths": list(widths),
            "context_dim": context_dim,
            "num_blocks": num_blocks,
            "kernel_frames": kernel_frames,
            "dropout": dropout,
            "switch_penalty": switch_penalty,
        }
        self._dim = dim
        self.input = nn.Linear(dim, context_dim)
        self.blocks = nn.ModuleList(ContextBlock(context_dim, kernel_frames) for _ in range(num_blocks))
        self.output = nn.Sequential(nn.LayerNorm(context_dim), nn.Dropout(dropout))

    @property
    def dim(self) -> int:
        return self._dim

    def log_probs(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        mask = None
        if lengths is not None:
            frame = torch.arange(features.shape[1], device=features.device)
            mask = (frame < lengths[:, None]).unsqueeze(-1)  # (B, T, 1)
        x = self.input(features)
        for block in self.blocks:
            x = block(x, mask)
        return super().log_probs(self.output(x))

    def config(self) -> dict[str, Any]:
        return dict(self._config)


class ContextBlock(nn.Module):
    """Residual block: norm, convolution over time plus statistics of the utterance, GELU, linear layer.

    Args:
        dim: Channels.
        kernel_frames: Kernel size of the convolution, odd.
    """

    def __init__(self, dim: int, kernel_frames: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.convolution = nn.Conv1d(dim, dim, kernel_frames, padding=kernel_frames // 2)
        self.statistics = nn.Linear(2 * dim, dim, bias=False)
        self.linear = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Add context to each frame: (B, T, dim) -> (B, T, dim).

        Args:
            x: Frames of a batch of utterances, (B, T, dim).
            mask: True for the frames of each utterance, (B, T, 1); None if there is no padding. Padding frames are
                zeros to the convolution and are left out of the statistics, so that a row does not depend on its
                padding.
        """
        weight = x.new_ones(*x.shape[:2], 1) if mask is None else mask.to(x.dtype)
        frames = self.norm(x) * weight
        count = weight.sum(1, keepdim=True)
        mean = frames.sum(1, keepdim=True) / count  # (B, 1, dim)
        variance = ((frames - mean).square() * weight).sum(1, keepdim=True) / count
        statistics = torch.cat([mean, (variance + 1e-4).sqrt()], dim=-1)
        context = self.convolution(frames.transpose(1, 2)).transpose(1, 2) + self.statistics(statistics)
        return x + self.linear(F.gelu(context))


def unit_log_probs(log_probs: Tensor) -> Tensor:
    """Return log-probabilities of the units, renormalized without the blank: (..., size + 1) -> (..., size)."""
    return log_probs[..., :-1].float().log_softmax(-1)


def replace_blanks(units: Tensor, blank: int) -> Tensor:
    """Replace each blank by the last unit before it.

    As in Spirit LM, blanks at the start of a row take the last unit of the row, as if rows were circular. A row that
    has only blanks is not changed.

    Args:
        units: Units and blanks, (..., T) int64.
        blank: Index of the blank.
    """
    frame = torch.arange(units.shape[-1], device=units.device).expand_as(units)
    # Index of the last unit up to each frame: the running maximum over the indices of frames that are no blanks.
    last = torch.where(units != blank, frame, -1).cummax(-1).values
    last = torch.where(last < 0, last[..., -1:], last)
    return units.gather(-1, last.clamp(min=0))


def spiritlm_widths(dim: int, upstream_dim: int, num_units: int) -> list[int]:
    """Return the widths of Spirit LM's quantizer, which narrows from the features to the output in three layers.

    Args:
        dim: Width of the features.
        upstream_dim: Width from which the differences between layers are computed; equal to ``dim`` in the official
            checkpoint.
        num_units: Number of units without the blank.
    """
    difference = upstream_dim - (num_units + 1)  # negative if the output is wider than the features
    return [dim, dim - difference // 4, dim - difference // 2, num_units + 1]
