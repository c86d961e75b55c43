"""Interface of the speech encoders, which map waveforms to sequences of feature vectors."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn


class SpeechEncoder(nn.Module, ABC):
    """Interface of all speech encoders.

    Attributes:
        sample_rate: Sample rate of the input waveforms in Hz.
        frame_rate: Feature vectors per second.
        dim: Width of a feature vector.
        min_samples: Length of the shortest waveform that has a frame.
        first_frame_seconds: Time of the center of the first frame.
    """

    sample_rate: int = 16000
    frame_rate: float
    dim: int
    min_samples: int
    first_frame_seconds: float

    @abstractmethod
    def forward(self, waveform: Tensor) -> Tensor:
        """Return the features of one waveform: (num_samples,) -> (T, dim)."""

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        """Return the features (T, dim) of several waveforms, bit-identical to calling ``forward`` on each alone."""
        return [self(waveform) for waveform in waveforms]

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        """Adapt the encoder to a corpus of waveforms (num_samples,); most encoders need no adaptation."""

    def use_bfloat16(self) -> None:
        """Compute matrix products in bfloat16 from now on; features stay float32.

        Encoders without large matrices ignore the call.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, except the folder of the weights, as JSON-serializable values."""

    def save_weights(self, folder: Path) -> None:
        """Write the weights, which ``config`` does not contain, to a new folder; do nothing if there are none."""
