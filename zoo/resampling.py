"""Resampling between any two sample rates."""

import math
from functools import lru_cache

import numpy as np
import soxr
import torch
from torch import Tensor
from torchaudio.transforms import Resample

# Above this number of weights a filter bank takes seconds to compute; 22050 to 16000 Hz has 0.14 million.
MAX_FILTER_WEIGHTS = 1 << 20


def num_filter_weights(from_rate: int, to_rate: int) -> int:
    """Return about how many weights a filter bank between two sample rates has: one filter for each output phase."""
    divisor = math.gcd(from_rate, to_rate)
    return (from_rate // divisor) * (to_rate // divisor)


def resample(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Resample (..., num_samples).

    Equal to ``torchaudio.functional.resample`` with its default filter for all common rates. Its filter bank grows with
    the product of the rates over their common divisors: from 16001 to 16000 Hz it would have 256 million weights. Such
    rates are resampled by the SoX resampler, on the CPU and without gradients.

    Args:
        waveform: Waveforms, (..., num_samples).
        from_rate: Sample rate of ``waveform`` in Hz.
        to_rate: Sample rate of the result in Hz.
    """
    if from_rate == to_rate:
        return waveform
    if num_filter_weights(from_rate, to_rate) > MAX_FILTER_WEIGHTS:
        return _resample_uncommon(waveform, from_rate, to_rate)
    return _resampler(from_rate, to_rate, waveform.dtype, waveform.device)(waveform)


@lru_cache(maxsize=16)
def _resampler(from_rate: int, to_rate: int, dtype: torch.dtype, device: torch.device) -> Resample:
    # Cached, since computing the filter takes longer than applying it to ten seconds of speech.
    return Resample(from_rate, to_rate, dtype=dtype).to(device)


def _resample_uncommon(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    rows = waveform.detach().cpu().float().reshape(-1, waveform.shape[-1]).numpy()
    num_samples = math.ceil(waveform.shape[-1] * to_rate / from_rate)  # as torchaudio
    resampled = np.zeros((len(rows), num_samples), dtype=np.float32)
    for row, target in zip(rows, resampled, strict=True):
        samples = soxr.resample(row, from_rate, to_rate)[:num_samples]
        target[: len(samples)] = samples
    return torch.from_numpy(resampled).reshape(*waveform.shape[:-1], num_samples).to(waveform)
