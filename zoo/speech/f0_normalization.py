"""F0 relative to the mean of its speaker or utterance, so that contours of different voices can be compared."""

from typing import Any

import torch
from torch import Tensor

from zoo.ranges import Hertz
from zoo.speech.f0 import F0Extractor, F0Track


def voiced_mean(track: F0Track) -> Tensor:
    """Return the mean frequency of the voiced frames in Hz, (); 0 if there are none."""
    if not track.voiced.any():
        return track.frequency.new_zeros(())
    return track.frequency[track.voiced].mean()


def network_input(track: F0Track, mean_hz: Tensor) -> Tensor:
    """Return the input of the VQ-VAE for a track (T,): frequency minus a mean, and 1 where voiced, (2, T).

    Frequencies of 0, which occur only in a track without voiced frames, stay 0.
    """
    frequency = torch.where(track.frequency != 0, track.frequency - mean_hz, track.frequency)
    return torch.stack([frequency, track.voiced.to(frequency.dtype)])


def track_from_output(output: Tensor, mean_hz: float | Tensor) -> F0Track:
    """Return the track of an output (..., 2, T) of the VQ-VAE.

    Args:
        output: Frequency minus its mean, in Hz, and degree of voicing, (..., 2, T). Frames with a degree above 0.5 are
            voiced.
        mean_hz: Mean to add to the frequency, in Hz, a number or (..., 1).
    """
    frequency = (output[..., 0, :] + mean_hz).clamp(min=1.0)
    return F0Track(frequency, output[..., 1, :] > 0.5)


class CenteredF0(F0Extractor):
    """Scales the F0 of another extractor to a common mean, so that contours of different voices can be compared.

    The geometric mean over the voiced frames of each waveform becomes ``center_hz``.

    Args:
        extractor: The extractor whose tracks are scaled.
        center_hz: Geometric mean of the voiced frames after scaling, in Hz.
    """

    def __init__(self, extractor: F0Extractor, center_hz: Hertz = 150.0) -> None:
        super().__init__()
        self.extractor = extractor
        self.center_hz = center_hz
        self.sample_rate = extractor.sample_rate
        self.frame_rate = extractor.frame_rate

    def forward(self, waveform: Tensor) -> F0Track:
        track = self.extractor(waveform)
        if not track.voiced.any():
            return track
        geometric_mean = track.frequency[track.voiced].log().mean().exp()
        return F0Track(track.frequency * (self.center_hz / geometric_mean), track.voiced)

    def config(self) -> dict[str, Any]:
        return {"extractor": self.extractor.config(), "center_hz": self.center_hz}
