"""A quantizer trained to give the same units whatever happens to the sound (Gat et al. 2023, arXiv 2209.15483)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.speech.kmeans import min_cost_path


class CTCQuantizer(nn.Module):
    """Linear layers over the features of an encoder, frame by frame, that score the units and the blank of CTC.

    Args:
        widths: Of the features, of each hidden layer, and of the output: one for each unit and a last one for the blank.
            Spirit LM has 768, 702, 635, 501 (``spiritlm_widths``).
        switch_penalty: Of a change of unit, in nats: units are then the likeliest sequence on the whole that pays for its changes, as
            ``KMeans`` has it, and blanks are left out of account. 0 takes the likeliest of each frame, as Spirit LM.

    Raises:
        ValueError: Where a width is not positive, or the output has no unit beside the blank, or the penalty is negative.
    """

    def __init__(self, widths: Sequence[int], switch_penalty: float = 0.0) -> None:
        super().__init__()
        widths, self.switch_penalty = tuple(widths), switch_penalty
        if switch_penalty < 0:
            raise ValueError(f"switch_penalty must not be negative, got {switch_penalty}")
        if len(widths) < 2 or min(widths) < 1 or widths[-1] < 2:
            raise ValueError(
                f"widths {list(widths)}: want the width of the features first and units + 1 last, all positive"
            )
        self.widths = widths
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers[:-1])

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
        """Values that ``forward`` may give: frames without any unit at all stay at the blank."""
        return self.widths[-1]

    def log_probs(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Log-probabilities of each unit and of the blank: (B, T, dim) -> (B, T, size + 1).

        Args:
            features: (B, T, dim).
            lengths: Frames of each row (B,), for quantizers that look at more than one frame; all T if None.
        """
        return self.layers(features).log_softmax(-1)

    def forward(self, features: Tensor) -> Tensor:
        """Units of whole utterances of one length: (T, dim) -> (T,) int64, or (B, T, dim) -> (B, T)."""
        batch = features if features.dim() == 3 else features[None]
        units = self.decode(self.log_probs(batch))
        return units if features.dim() == 3 else units[0]

    def decode(self, log_probs: Tensor) -> Tensor:
        """Units of log-probabilities (B, T, size + 1): (B, T) int64."""
        if not self.switch_penalty:
            return replace_blanks(log_probs.argmax(-1), self.size)
        costs = -unit_log_probs(log_probs.detach()).cpu().numpy()
        paths = [torch.from_numpy(min_cost_path(row, self.switch_penalty)) for row in costs]
        return torch.stack(paths).to(log_probs.device)

    def config(self) -> dict[str, Any]:
        """Arguments that make this quantizer again, but for its weights."""
        return {"widths": list(self.widths), "switch_penalty": self.switch_penalty}


class ContextCTCQuantizer(CTCQuantizer):
    """Looks at the frames around as well, for features that tell of one frame alone, such as filter banks.

    Convolutions over time, each added to what it was given, come before the linear layers. A frame sees
    ``num_blocks * (kernel_frames // 2)`` others on either side, and mean and deviation over the whole utterance, which tell of
    speaker, room and noise.

    Args:
        dim: Width of the features.
        widths: Of each hidden layer and of the output, as for ``CTCQuantizer``.
        context_dim: Channels of the convolutions.
        num_blocks: Convolutions.
        kernel_frames: Taps of each; odd.
        dropout: Before the linear layers.
        switch_penalty: Of a change of unit, in nats, as for ``CTCQuantizer``.
    """

    def __init__(
        self,
        dim: int,
        widths: Sequence[int],
        context_dim: int = 128,
        num_blocks: int = 3,
        kernel_frames: int = 5,
        dropout: float = 0.1,
        switch_penalty: float = 0.0,
    ) -> None:
        super().__init__([context_dim, *widths], switch_penalty)
        if kernel_frames % 2 == 0:
            raise ValueError(
                f"kernel_frames must be odd, so that a frame is in the middle of what it sees, got {kernel_frames}"
            )
        self.form = {
            "dim": dim,
            "widths": list(widths),
            "context_dim": context_dim,
            "num_blocks": num_blocks,
            "kernel_frames": kernel_frames,
            "dropout": dropout,
            "switch_penalty": switch_penalty,
        }
        self.input = nn.Linear(dim, context_dim)
        self.blocks = nn.ModuleList(ContextBlock(context_dim, kernel_frames) for _ in range(num_blocks))
        self.output = nn.Sequential(nn.LayerNorm(context_dim), nn.Dropout(dropout))

    @property
    def dim(self) -> int:
        return self.form["dim"]

    def log_probs(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        places = torch.arange(features.shape[1], device=features.device)
        inside = None if lengths is None else (places < lengths[:, None]).unsqueeze(-1)  # (B, T, 1)
        x = self.input(features)
        for block in self.blocks:
            x = block(x, inside)
        return super().log_probs(self.output(x))

    def config(self) -> dict[str, Any]:
        return dict(self.form)


class ContextBlock(nn.Module):
    """A convolution over time and the statistics of the whole, between a norm and a linear layer, added to its input.

    Args:
        dim: Channels.
        kernel_frames: Taps.
    """

    def __init__(self, dim: int, kernel_frames: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.convolution = nn.Conv1d(dim, dim, kernel_frames, padding=kernel_frames // 2)
        self.statistics = nn.Linear(2 * dim, dim, bias=False)
        self.linear = nn.Linear(dim, dim)

    def forward(self, x: Tensor, inside: Tensor | None) -> Tensor:
        """(B, T, dim) -> (B, T, dim); what is not ``inside`` (B, T, 1) of its row is taken for silence, as beyond the end."""
        inside = x.new_ones(*x.shape[:2], 1) if inside is None else inside.to(x.dtype)
        seen, count = self.norm(x) * inside, inside.sum(1, keepdim=True)
        mean = seen.sum(1, keepdim=True) / count
        deviation = (((seen - mean).square() * inside).sum(1, keepdim=True) / count + 1e-4).sqrt()
        around = self.convolution(seen.transpose(1, 2)).transpose(1, 2) + self.statistics(
            torch.cat([mean, deviation], dim=-1)
        )
        return x + self.linear(F.gelu(around))


def unit_log_probs(log_probs: Tensor) -> Tensor:
    """Log-probabilities (..., size) of the units, given that it is not the blank: of (..., size + 1)."""
    return log_probs[..., :-1].float().log_softmax(-1)


def replace_blanks(units: Tensor, blank: int) -> Tensor:
    """Give each blank the unit to its left; leading ones take the last unit of their row, and rows of blanks alone stay.

    Args:
        units: (..., T) int64.
        blank: Its index.
    """
    places = torch.arange(units.shape[-1], device=units.device).expand_as(units)
    last = torch.where(units != blank, places, -1).cummax(-1).values
    last = torch.where(last < 0, last[..., -1:], last)
    return units.gather(-1, last.clamp(min=0))


def spiritlm_widths(dim: int, upstream_dim: int, num_units: int) -> list[int]:
    """Widths of Spirit LM's quantizer, which narrows in three steps.

    Args:
        dim: Width of the features.
        upstream_dim: What the steps are reckoned from; the width of the features, too, in the official checkpoint.
        num_units: Without the blank.
    """
    step = upstream_dim - (num_units + 1)  # negative where the output is wider than the features
    return [dim, dim - step // 4, dim - step // 2, num_units + 1]
