"""F0 errors between two waveforms."""

from torch import Tensor
from torchmetrics import Metric

from zoo.metrics.f0 import F0FrameError, LogF0Error
from zoo.speech.f0 import F0Extractor


class F0Errors(Metric):
    """F0 frame error and log-F0 error between waveforms; F0 is extracted once for both.

    Args:
        f0: F0 extractor for both waveforms.
    """

    higher_is_better = False
    is_differentiable = False
    full_state_update = False

    def __init__(self, f0: F0Extractor) -> None:
        super().__init__()
        self.f0 = f0
        self.frame_error = F0FrameError()
        self.log_error = LogF0Error()

    def update(self, generated: Tensor, reference: Tensor) -> None:
        """Add generated and reference waveforms, (B, N) each."""
        for waveform, target in zip(generated.detach().float(), reference.detach().float(), strict=True):
            estimate = self.f0(waveform)
            true = self.f0(target)
            for metric in (self.frame_error, self.log_error):
                metric.update(estimate.frequency, estimate.voiced, true.frequency, true.voiced)

    def compute(self) -> dict[str, Tensor]:
        """Return ``f0_frame_error``, a share, and ``log_f0_error`` in octaves, NaN if no frame is voiced in both."""
        return {"f0_frame_error": self.frame_error.compute(), "log_f0_error": self.log_error.compute()}

    def reset(self) -> None:
        """Reset both errors."""
        super().reset()
        self.frame_error.reset()
        self.log_error.reset()
