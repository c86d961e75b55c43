"""Filter-bank features: for corpora and machines too small for a pretrained encoder, and first units for HuBERT."""

from typing import Any

import torch
import torchaudio
from torch import Tensor

from zoo.ranges import FrameRate, NonNegativeFloat, NumMels, Probability, Seconds
from zoo.speech.encoders.interface import SpeechEncoder


class FilterbankEncoder(SpeechEncoder):
    """Mel-frequency cepstral coefficients (MFCCs) and their deltas, normalized per utterance.

    The encoder has no weights and suits small offline runs. Over each utterance, the mean of every coefficient is
    subtracted, and its variance is normalized partly: full normalization amplifies the noise of the high coefficients,
    and without any, loudness dominates.

    Args:
        frame_rate: Frames per second, a divisor of 100.
        num_mels: Number of mel filters between 20 Hz and half the sample rate.
        num_cepstra: Number of cepstral coefficients, including the first (loudness); at most ``num_mels``.
        delta_seconds: Half-width of the regression window of the deltas, in seconds.
        delta_weight: Factor on the normalized deltas, relative to the normalized coefficients.
        variance_normalization: Exponent of the variance normalization, 0 to 1. At 1, every coefficient has unit
            variance in each utterance; at 0, all coefficients are divided by the largest of their standard deviations.

    Raises:
        ValueError: If ``frame_rate``, ``num_cepstra`` or ``variance_normalization`` is out of range.
    """

    def __init__(
        self,
        frame_rate: FrameRate = 25,
        num_mels: NumMels = 40,
        num_cepstra: NumMels = 13,
        delta_seconds: Seconds = 0.04,
        delta_weight: NonNegativeFloat = 0.3,
        variance_normalization: Probability = 0.5,
    ) -> None:
        super().__init__()
        if 100 % frame_rate or not num_cepstra <= num_mels or not 0 <= variance_normalization <= 1:
            raise ValueError(
                "frame_rate must divide 100, num_cepstra be at most num_mels and variance_normalization be 0 to 1, "
                f"got {frame_rate=}, {num_cepstra=}, {num_mels=}, {variance_normalization=}"
            )
        self.frame_rate = frame_rate
        self.num_mels = num_mels
        self.num_cepstra = num_cepstra
        self.delta_seconds = delta_seconds
        self.delta_weight = delta_weight
        self.variance_normalization = variance_normalization
        self.dim = 2 * num_cepstra
        self.min_samples = 1280
        self.pool = 100 // frame_rate  # number of analysis windows, 10 ms apart, that are averaged into a frame
        self.first_frame_seconds = (self.pool - 1) / 200  # analysis windows are centered on multiples of 10 ms
        self.delta_window = 2 * max(1, round(100 * delta_seconds)) + 1
        self.cepstra = torchaudio.transforms.MFCC(
            self.sample_rate,
            num_cepstra,
            log_mels=True,
            melkwargs={"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": num_mels, "f_min": 20.0},
        )

    def forward(self, waveform: Tensor) -> Tensor:
        return self._features(self.cepstra(waveform), len(waveform))

    def _features(self, cepstra: Tensor, num_samples: int) -> Tensor:
        """Append deltas, pool and normalize: (..., C, windows at 100 Hz) -> (..., T, dim)."""
        num_frames = int(num_samples * self.frame_rate // self.sample_rate)
        cepstra = cepstra[..., : num_frames * self.pool]
        deltas = torchaudio.functional.compute_deltas(cepstra, self.delta_window)
        normalized_cepstra = self._pool_and_normalize(cepstra, num_frames)
        normalized_deltas = self._pool_and_normalize(deltas, num_frames)
        return torch.cat([normalized_cepstra, self.delta_weight * normalized_deltas], dim=-1)

    def _pool_and_normalize(self, x: Tensor, num_frames: int) -> Tensor:
        """Average windows into frames and normalize them: (..., C, windows at 100 Hz) -> (..., T, C)."""
        x = x.unflatten(-1, (num_frames, self.pool)).mean(-1).transpose(-1, -2)
        deviation = x.std(-2, correction=0, keepdim=True) + 1e-3
        largest = deviation.amax(-1, keepdim=True)
        # A weighted geometric mean of each coefficient's own deviation and the largest deviation of all.
        exponent = self.variance_normalization
        return (x - x.mean(-2, keepdim=True)) / (deviation**exponent * largest ** (1 - exponent))

    def config(self) -> dict[str, Any]:
        return {
            "frame_rate": self.frame_rate,
            "num_mels": self.num_mels,
            "num_cepstra": self.num_cepstra,
            "delta_seconds": self.delta_seconds,
            "delta_weight": self.delta_weight,
            "variance_normalization": self.variance_normalization,
        }
