"""Features at a lower rate: means of consecutive frames of another encoder."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.ranges import Size
from zoo.speech.encoders.interface import SpeechEncoder


class PooledEncoder(SpeechEncoder):
    """Means of consecutive frames of another encoder: with ``factor=2``, an encoder at 50 Hz becomes one at 25 Hz.

    Args:
        encoder: The other encoder.
        factor: Number of frames that are averaged; the last mean of an utterance may be over fewer.

    Raises:
        ValueError: If ``factor`` is not positive.
    """

    def __init__(self, encoder: SpeechEncoder, factor: Size) -> None:
        super().__init__()
        if factor < 1:
            raise ValueError(f"factor must be 1 or more, got {factor}")
        self.encoder = encoder
        self.factor = factor
        self.sample_rate = encoder.sample_rate
        self.frame_rate = encoder.frame_rate / factor
        self.dim = encoder.dim
        self.min_samples = encoder.min_samples
        self.first_frame_seconds = encoder.first_frame_seconds + (factor - 1) / 2 / encoder.frame_rate

    def forward(self, waveform: Tensor) -> Tensor:
        return self._pool(self.encoder(waveform))

    def batch(self, waveforms: Sequence[Tensor]) -> list[Tensor]:
        return [self._pool(features) for features in self.encoder.batch(waveforms)]

    def _pool(self, features: Tensor) -> Tensor:
        """Average consecutive frames: (T, dim) -> (ceil(T / factor), dim)."""
        num_whole = len(features) // self.factor
        whole = features[: num_whole * self.factor].unflatten(0, (num_whole, self.factor)).mean(1)
        rest = features[num_whole * self.factor :]
        return torch.cat([whole, rest.mean(0, keepdim=True)]) if len(rest) else whole

    def adapt(self, waveforms: Iterable[Tensor]) -> None:
        self.encoder.adapt(waveforms)

    def use_bfloat16(self) -> None:
        self.encoder.use_bfloat16()

    def config(self) -> dict[str, Any]:
        encoder = {"class": type(self.encoder).__name__, "arguments": self.encoder.config()}
        return {"encoder": encoder, "factor": self.factor}

    def save_weights(self, folder: Path) -> None:
        self.encoder.save_weights(folder)
