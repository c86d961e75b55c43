"""A quantizer trained to give the same units whatever happens to the sound (Gat et al. 2023, arXiv 2209.15483)."""
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class CTCQuantizer(nn.Module):
    """Linear layers over the features of an encoder, frame by frame, that score the units and the blank of CTC.

    Args:
        widths: Of the features, of each hidden layer, and of the output: one for each unit and a last one for the blank.
            Spirit LM has 768, 702, 635, 501 (``spiritlm_widths``).

    Raises:
        ValueError: Where a width is not positive, or the output has no unit beside the blank.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        widths = tuple(widths)
        if len(widths) < 2 or min(widths) < 1 or widths[-1] < 2:
            raise ValueError(f"widths {list(widths)}: want the width of the features first and units + 1 last, all positive")
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
        units = replace_blanks(self.log_probs(batch).argmax(-1), self.size)
        return units if features.dim() == 3 else units[0]

    def config(self) -> dict[str, Any]:
        """Arguments that make this quantizer again, but for its weights."""
        return {"widths": list(self.widths)}


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
