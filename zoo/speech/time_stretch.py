"""Time stretching by a phase vocoder: a change of tempo at the same pitch."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchaudio.functional import phase_vocoder


def time_stretch(waveform: Tensor, rate: float, window_samples: int = 512) -> Tensor:
    """Change the tempo of a waveform and keep its pitch: (N,) -> (round(N / rate),).

    The phase vocoder resamples the magnitudes of the short-time spectrum along time and accumulates the phase of each
    frequency bin by its measured advance per hop.

    Args:
        waveform: Waveform, (N,).
        rate: Tempo of the result relative to the original; above 1 is faster.
        window_samples: Window of the short-time spectrum in samples, a multiple of 4.
    """
    hop = window_samples // 4
    window = torch.hann_window(window_samples)
    padded = pad(waveform, (0, max(0, window_samples - len(waveform))))
    spectrum = torch.stft(padded, window_samples, hop, window=window, return_complex=True)  # (bins, frames)
    # Phase by which the center frequency of each bin advances per hop; the phase vocoder measures deviations from it.
    advance = torch.linspace(0, math.pi * hop, spectrum.shape[0])[:, None]
    stretched = torch.istft(phase_vocoder(spectrum, rate, advance), window_samples, hop, window=window)
    return fit_length(stretched, round(len(waveform) / rate))


def fit_length(waveform: Tensor, num_samples: int) -> Tensor:
    """Cut a waveform, or pad it with zeros: (N,) -> (num_samples,)."""
    return pad(waveform[:num_samples], (0, max(0, num_samples - len(waveform))))
