"""How far apart the melodies of two waveforms are."""

from torch import Tensor
from torchmetrics import Metric

from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech.f0 import F0Extractor


class F0Errors(Metric):
    """F0 frame error and log-F0 error between waveforms, from one look at each.

    Args:
        f0: Waveform to F0.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, f0: F0Extractor) -> None:
        super().__init__()
        self.f0, self.frame, self.log = f0, F0FrameError(), LogF0Error()

    def update(self, made: Tensor, real: Tensor) -> None:
        """Add waveforms (B, N) of one length."""
        for one, other in zip(made.detach().float(), real.detach().float(), strict=True):
            found, true = self.f0(one), self.f0(other)
            for metric in (self.frame, self.log):
                metric.update(found.frequency, found.voiced, true.frequency, true.voiced)

    def compute(self) -> dict[str, Tensor]:
        """``f0_frame_error``, a share, and ``log_f0_error`` in octaves, NaN where no frame is voiced in both."""
        return {"f0_frame_error": self.frame.compute(), "log_f0_error": self.log.compute()}

    def reset(self) -> None:
        super().reset()
        self.frame.reset()
        self.log.reset()
