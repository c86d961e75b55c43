"""Frame-by-frame errors of F0 contours."""

import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.ranges import PositiveFloat


class F0FrameError(Metric):
    """Share of frames with a wrong voicing decision or a gross pitch error (Chu and Alwan 2009).

    Args:
        tolerance: Relative deviation from the reference frequency above which a frame is a gross error. Only frames
            that are voiced in both contours can be gross errors.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    gross: Tensor
    voicing: Tensor
    count: Tensor

    def __init__(self, tolerance: PositiveFloat = 0.2) -> None:
        super().__init__()
        self.tolerance = tolerance
        for name in ("gross", "voicing", "count"):
            self.add_state(name, torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, frequency: Tensor, voiced: Tensor, true_frequency: Tensor, true_voiced: Tensor, mask: Tensor | None = None
    ) -> None:
        """Add estimated and reference contours of the same shape, such as (B, T).

        Args:
            frequency: Estimated F0 in Hz; ignored in unvoiced frames.
            voiced: Estimated voicing, bool.
            true_frequency: Reference F0 in Hz; ignored in unvoiced frames.
            true_voiced: Reference voicing, bool.
            mask: Frames that are counted, bool; all if None.

        Raises:
            ValueError: If the shapes differ.
        """
        _require_same_shape(frequency, voiced, true_frequency, true_voiced)
        mask = torch.ones_like(true_voiced) if mask is None else mask
        both_voiced = voiced & true_voiced & mask
        deviates = (frequency - true_frequency).abs() > self.tolerance * true_frequency
        self.gross += (both_voiced & deviates).sum()
        self.voicing += ((voiced != true_voiced) & mask).sum()
        self.count += mask.sum()

    def compute(self) -> Tensor:
        """Return the share of wrong frames; NaN if there is no frame."""
        return (self.gross + self.voicing) / self.count


class LogF0Error(Metric):
    """Root mean square difference of log2 F0, in octaves, over the frames that are voiced in both contours."""

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self, frequency: Tensor, voiced: Tensor, true_frequency: Tensor, true_voiced: Tensor, mask: Tensor | None = None
    ) -> None:
        """Add contours of the same shape, such as (B, T); the arguments are those of ``F0FrameError.update``.

        Raises:
            ValueError: If the shapes differ.
        """
        _require_same_shape(frequency, voiced, true_frequency, true_voiced)
        both_voiced = voiced & true_voiced
        if mask is not None:
            both_voiced = both_voiced & mask
        ratio = frequency[both_voiced].double().clamp(min=1.0) / true_frequency[both_voiced].double()
        self.total += torch.log2(ratio).square().sum()
        self.count += both_voiced.sum()

    def compute(self) -> Tensor:
        """Return the error in octaves; NaN if no frame is voiced in both contours."""
        return (self.total / self.count).sqrt().float()


def _require_same_shape(*contours: Tensor) -> None:
    if len({contour.shape for contour in contours}) > 1:
        shapes = ", ".join(str(tuple(contour.shape)) for contour in contours)
        raise ValueError(f"F0 contours of shapes {shapes} cannot be compared frame by frame")
