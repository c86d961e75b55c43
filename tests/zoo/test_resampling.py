import math
import time

import pytest
import torch
import torchaudio

from zoo.resampling import num_filter_weights, resample


def tone(rate, seconds=1.0, hertz=1000.0):
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate), dtype=torch.float64) / rate).float()


@pytest.mark.parametrize("to_rate", [16000, 22050, 24000])
@pytest.mark.parametrize("from_rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 17600, 14400])
def test_common_rates_equal_torchaudio_to_the_bit(from_rate, to_rate):
    waveform = tone(from_rate, 0.2)
    assert torch.equal(
        resample(waveform, from_rate, to_rate), torchaudio.functional.resample(waveform, from_rate, to_rate)
    )


@pytest.mark.parametrize("rate", [16001, 15999, 47999, 44101, 8001, 1001])
def test_rates_without_a_common_divisor_cost_no_more_than_others(rate):
    assert num_filter_weights(rate, 16000) > 10_000_000
    started = time.perf_counter()
    resampled = resample(tone(rate, 2.0, 100.0), rate, 16000)
    assert time.perf_counter() - started < 1.0
    assert resampled.shape == (32000,)
    inner = slice(1000, -1000)
    assert (resampled - tone(16000, 2.0, 100.0))[inner].abs().max() < 1e-3


def test_batches_of_uncommon_rates():
    waveforms = torch.stack([tone(16001, 0.5), tone(16001, 0.5, 300.0)]).unsqueeze(0)
    resampled = resample(waveforms, 16001, 16000)
    assert resampled.shape == (1, 2, 8000)
    assert torch.equal(resampled[0, 1], resample(waveforms[0, 1], 16001, 16000))
