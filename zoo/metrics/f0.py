"""How far apart two F0 tracks are."""

import torch
from torch import Tensor
from torchmetrics import Metric


class F0FrameError(Metric):
    """Share of frames with a voicing decision or a pitch that is wrong by over 20% (Chu and Alwan 2009).

    Args:
        tolerance: Where both tracks are voiced, a frame further off than this share of the true frequency counts.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, tolerance: float = 0.2) -> None:
        super().__init__()
        self.tolerance = tolerance
        for name in ("gross", "voicing", "count"):
            self.add_state(name, torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, frequency: Tensor, voiced: Tensor, true_frequency: Tensor, true_voiced: Tensor, mask: Tensor | None = None
    ) -> None:
        """Add tracks of one shape, such as (B, T).

        Args:
            frequency: Hz, of the estimate; read where ``voiced``.
            voiced: bool, of the estimate.
            true_frequency: Hz; read where ``true_voiced``.
            true_voiced: bool.
            mask: bool, true for the frames that count; all if None.
        """
        _same_shape(frequency, voiced, true_frequency, true_voiced)
        mask = torch.ones_like(true_voiced) if mask is None else mask
        both = voiced & true_voiced & mask
        self.gross += (both & ((frequency - true_frequency).abs() > self.tolerance * true_frequency)).sum()
        self.voicing += ((voiced != true_voiced) & mask).sum()
        self.count += mask.sum()

    def compute(self) -> Tensor:
        return (self.gross + self.voicing) / self.count


class LogF0Error(Metric):
    """Root mean square difference of log2 F0, in octaves, over the frames that are voiced in both tracks."""

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, frequency: Tensor, voiced: Tensor, true_frequency: Tensor, true_voiced: Tensor, mask: Tensor | None = None
    ) -> None:
        """Add tracks of one shape; arguments as of ``F0FrameError``."""
        _same_shape(frequency, voiced, true_frequency, true_voiced)
        both = voiced & true_voiced if mask is None else voiced & true_voiced & mask
        ratio = frequency[both].double().clamp(min=1.0) / true_frequency[both].double()
        self.total += torch.log2(ratio).square().sum()
        self.count += both.sum()

    def compute(self) -> Tensor:
        """NaN where no frame is voiced in both."""
        return (self.total / self.count).sqrt().float()


def _same_shape(*tracks: Tensor) -> None:
    if len({track.shape for track in tracks}) > 1:
        raise ValueError(
            f"tracks of shapes {', '.join(str(tuple(track.shape)) for track in tracks)} cannot be compared frame by frame"
        )
