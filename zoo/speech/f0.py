"""Fundamental frequency (F0) of a waveform: tracks and the interface of extractors.

``zoo.speech.f0_fcpe`` and ``zoo.speech.f0_autocorrelation`` implement extractors.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HOP_SAMPLES = 80
FRAME_RATE = 200.0


@dataclass(frozen=True)
class F0Track:
    """F0 of one waveform of N samples in T = N // 80 + 1 frames.

    Args:
        frequency: F0 in Hz, (T,) float32. Unvoiced frames between two voiced ones are interpolated linearly; frames
            before the first and after the last voiced frame repeat its value. All zeros if no frame is voiced.
        voiced: Whether each frame is voiced, (T,) bool.
    """

    frequency: Tensor
    voiced: Tensor


class F0Extractor(nn.Module, ABC):
    """Interface of all F0 extractors.

    Attributes:
        sample_rate: Sample rate of the input waveforms in Hz.
        frame_rate: Frames per second of the tracks.
    """

    sample_rate: int = 16000
    frame_rate: float = FRAME_RATE

    @abstractmethod
    def forward(self, waveform: Tensor) -> F0Track:
        """Return the F0 of one waveform (N,); the track of silence is unvoiced."""

    def batch(self, waveforms: Tensor, frame_step: int = 1) -> list[F0Track]:
        """Return the F0 of each waveform of a batch (B, N), as if it were extracted alone.

        Args:
            waveforms: Waveforms of equal length, (B, N).
            frame_step: Only every ``frame_step``-th frame is returned, starting with the first. Some extractors then
                skip the computation of the other frames, which makes their tracks slightly less accurate.
        """
        tracks = [self(waveform) for waveform in waveforms]
        return [F0Track(track.frequency[::frame_step], track.voiced[::frame_step]) for track in tracks]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments of this extractor, as JSON can express them."""


def centered_frames(waveforms: Tensor, frame_samples: int, hop_samples: int = HOP_SAMPLES) -> Tensor:
    """Cut waveforms (..., N) into overlapping frames (..., T, frame_samples), where T = N // hop_samples + 1.

    Frame t is centered on sample ``t * hop_samples``; samples beyond either end are zeros. The result is a view of the
    padded waveforms.

    Args:
        waveforms: Waveforms, (..., N).
        frame_samples: Length of a frame in samples, even.
        hop_samples: Distance between the centers of neighboring frames, in samples.
    """
    padded = F.pad(waveforms, (frame_samples // 2, frame_samples // 2))
    return padded.unfold(-1, frame_samples, hop_samples)


def interpolate_unvoiced(frequency: Tensor, voiced: Tensor) -> Tensor:
    """Fill the unvoiced frames of a track (T,) linearly from the voiced frames around them.

    Frames before the first and after the last voiced frame repeat its value, as ``numpy.interp`` does.

    Args:
        frequency: F0 in Hz, (T,); values of unvoiced frames are ignored.
        voiced: Whether each frame is voiced, (T,) bool; at least one is.
    """
    known = voiced.nonzero()[:, 0]  # (K,) indices of the voiced frames
    frame = torch.arange(len(frequency), device=frequency.device)
    # Indices into `known` of the voiced neighbors on either side of each frame. Both are the same before the first
    # voiced frame, and if there is only one voiced frame.
    right = torch.searchsorted(known, frame).clamp(max=len(known) - 1)
    left = (right - 1).clamp(min=0)
    left_hz = frequency[known[left]]
    right_hz = frequency[known[right]]
    distance = (known[right] - known[left]).clamp(min=1)
    line = left_hz + (frame - known[left]) * (right_hz - left_hz) / distance
    line = torch.where(frame > known[-1], frequency[known[-1]], line)
    return torch.where(voiced, frequency, line)


def unvoiced_track(num_samples: int, device: torch.device | None = None, frame_step: int = 1) -> F0Track:
    """Return the track of a waveform without any voiced frame.

    Args:
        num_samples: Length of the waveform in samples.
        device: Device of the result; the CPU if None.
        frame_step: Only every ``frame_step``-th frame is in the track, starting with the first.
    """
    num_frames = num_samples // (HOP_SAMPLES * frame_step) + 1
    frequency = torch.zeros(num_frames, device=device)
    return F0Track(frequency, torch.zeros(num_frames, dtype=torch.bool, device=device))
