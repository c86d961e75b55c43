"""Distance between the mel spectrograms of two waveforms."""

import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.ranges import SampleRate
from zoo.vocoder.mel import LogMel


class MelDistance(Metric):
    """Mean absolute difference of natural-log mel spectrograms, over all frames and bands.

    Args:
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, sample_rate: SampleRate = 16000) -> None:
        super().__init__()
        self.mel = LogMel(sample_rate)
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Add generated and reference waveforms of the same shape, (B, N) each.

        Raises:
            ValueError: If the shapes differ.
        """
        if generated.shape != reference.shape:
            raise ValueError(
                f"waveforms of shapes {tuple(generated.shape)} and {tuple(reference.shape)} cannot be compared "
                "frame by frame"
            )
        difference = (self.mel(generated) - self.mel(reference)).abs()
        self.total += difference.sum()
        self.count += difference.numel()

    def compute(self) -> Tensor:
        """Return the mean absolute difference, in nats."""
        return (self.total / self.count).float()
