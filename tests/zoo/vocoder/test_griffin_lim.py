import pytest
import torch

from zoo.metrics.mel_distance import MelDistance
from zoo.vocoder.griffin_lim import UnitMelTable

UNITS = torch.tensor([0, 0, 0, 2, 2, 2, 1, 1, 1, 1])


def tones(units: torch.Tensor, phase: float = 0.0) -> torch.Tensor:
    """Each unit is a tone of its own: (T,) -> (T * 640,)."""
    frequency = (400.0 * (units + 1)).repeat_interleave(640)
    return 0.3 * torch.sin(2 * torch.pi * torch.cumsum(frequency, 0) / 16000 + phase)


def test_units_sound_like_the_mean_of_what_was_heard():
    table = UnitMelTable(4, 25.0, iterations=20)
    for shift in range(4):
        table.add(UNITS.roll(shift), tones(UNITS.roll(shift), shift))
    made = table(UNITS)
    assert made.shape == (6400,)
    distance, silence = MelDistance(), MelDistance()
    distance.update(made.unsqueeze(0), tones(UNITS).unsqueeze(0))
    silence.update(torch.zeros(1, 6400), tones(UNITS).unsqueeze(0))
    assert distance.compute() < 0.75 * silence.compute()
    loudest = torch.fft.rfft(made.unflatten(0, (-1, 640))).abs().argmax(1) * 25
    assert (loudest[1::3].float() - 400.0 * (UNITS[1::3] + 1)).abs().max() <= 50
    assert torch.equal(table(UNITS), made)


def test_a_unit_that_was_never_heard_is_the_mean_of_all():
    table = UnitMelTable(4, 25.0, iterations=2)
    table.add(UNITS, tones(UNITS))
    made = table(torch.full((5,), 3))
    assert torch.isfinite(made).all() and made.abs().max() > 0


def test_a_unit_must_be_whole_frames():
    with pytest.raises(ValueError, match="3 frames do not divide the 640 samples"):
        UnitMelTable(4, 25.0, frames_per_unit=3)
