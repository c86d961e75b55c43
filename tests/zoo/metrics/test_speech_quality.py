import sys
from importlib.util import find_spec

import pytest
import torch

from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.metrics.speech_quality import PESQ, STOI, InstalledQuality, named_values
from zoo.speech.f0_autocorrelation import Autocorrelation

RATE = 16000


def speechlike(frequency: float = 120.0, seconds: float = 1.5) -> torch.Tensor:
    """A buzz with syllables, (1, N)."""
    t = torch.arange(int(seconds * RATE)) / RATE
    buzz = sum(torch.sin(2 * torch.pi * frequency * k * t) / k for k in range(1, 20))
    return (0.1 * buzz * (0.5 + 0.5 * torch.sin(2 * torch.pi * 4 * t)).clamp(min=0.05)).unsqueeze(0)


def noisy(waveform: torch.Tensor, amount: float) -> torch.Tensor:
    return waveform + amount * torch.randn(waveform.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [kind for kind in (PESQ, STOI) if find_spec(kind.package)])
def test_more_noise_sounds_worse(kind):
    scores = []
    for amount in (0.0, 0.002, 0.3):
        metric = kind()
        metric.update(noisy(speechlike(), amount), speechlike())
        scores.append(metric.compute().item())
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[2] + 0.1


@pytest.mark.skipif(not find_spec("pesq"), reason="no pesq here: install the extra `quality`")
def test_what_cannot_be_heard_is_left_out_and_counted():
    metric = PESQ()
    for made, real in (
        (torch.zeros(1, RATE), speechlike()[:, :RATE]),
        (speechlike()[:, :RATE], torch.zeros(1, RATE)),
        (speechlike()[:, :300],) * 2,
    ):
        metric.update(made, real)
    metric.update(speechlike(), speechlike())
    assert metric.left_out == 3 and metric.count == 1 and metric.compute() > 4


def test_a_measure_that_is_not_installed_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    monkeypatch.setitem(sys.modules, "pystoi", None)
    message = r"PESQ needs the package pesq, which is not installed: pip install 'spiritlm-zoo\[quality\]'"
    with pytest.raises(ValueError, match=message):
        PESQ()
    nothing = InstalledQuality()
    nothing.update(speechlike(), speechlike())
    assert named_values("quality", nothing) == {}


def test_f0_errors_are_those_of_the_melody():
    metric = F0Errors(Autocorrelation())
    metric.update(speechlike(120.0), speechlike(120.0))
    same = named_values("f0", metric)
    assert same["f0_frame_error"] == 0 and same["log_f0_error"] == pytest.approx(0, abs=1e-4)
    metric.reset()
    metric.update(speechlike(150.0), speechlike(120.0))  # a quarter too high, which is 0.32 octaves
    other = named_values("f0", metric)
    assert other["log_f0_error"].item() == pytest.approx(0.322, abs=0.02) and other["f0_frame_error"] > 0.7
