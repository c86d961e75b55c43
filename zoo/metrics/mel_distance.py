"""How far apart two waveforms sound, by their mel spectrograms."""

import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.vocoder.mel import LogMel


class MelDistance(Metric):
    """Mean absolute difference of natural-log mel spectrograms, over all frames and bands.

    Args:
        sample_rate: Of the waveforms, in Hz.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, sample_rate: int = 16000) -> None:
        super().__init__()
        self.mel = LogMel(sample_rate)
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, made: Tensor, real: Tensor) -> None:
        """Add waveforms (B, N) of one length.

        Raises:
            ValueError: Where the shapes differ.
        """
        if made.shape != real.shape:
            raise ValueError(
                f"waveforms of shapes {tuple(made.shape)} and {tuple(real.shape)} cannot be compared frame by frame"
            )
        difference = (self.mel(made) - self.mel(real)).abs()
        self.total += difference.sum()
        self.count += difference.numel()

    def compute(self) -> Tensor:
        return (self.total / self.count).float()
