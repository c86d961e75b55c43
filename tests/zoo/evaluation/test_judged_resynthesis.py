"""Resynthesis for judges: at the rate of the recordings, whatever the rate of the vocoder."""

import numpy as np
import pytest
import torch

from zoo.evaluation.judged_resynthesis import raw_unit_synthesizer
from zoo.evaluation.resynthesis import ResynthesisItem


class Tone:
    """A vocoder of two seconds of a tone of 440 Hz.

    Args:
        sample_rate: Its sample rate, in Hz.
    """

    speakers = ("ann",)

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.spoken_by: list[str | None] = []

    def __call__(self, units: object, speaker: str | None, predict_durations: bool) -> torch.Tensor:
        assert not predict_durations
        self.spoken_by.append(speaker)
        return torch.sin(2 * torch.pi * 440 * torch.arange(2 * self.sample_rate) / self.sample_rate)


@pytest.mark.parametrize("sample_rate", [16000, 24000, 44100])
def test_the_pitch_and_the_duration_are_those_of_the_vocoder(sample_rate):
    vocoder = Tone(sample_rate)
    synthesize = raw_unit_synthesizer(vocoder, 16000)
    waveform = synthesize(ResynthesisItem("a", torch.zeros(32000), {"Hu": np.zeros(50)}, "ann"))
    assert len(waveform) == pytest.approx(32000, abs=2)
    assert int(torch.fft.rfft(waveform[:32000]).abs().argmax()) == 880  # bins of half a Hz
    synthesize(ResynthesisItem("b", torch.zeros(32000), {"Hu": np.zeros(50)}, "stranger"))
    assert vocoder.spoken_by == ["ann", None]
