"""Figures that take waveforms: robustness and resynthesis."""

import numpy as np
import pytest
import torch

from tests.toy_speech import STREAMS, hum
from zoo.comparison import robustness
from zoo.comparison.resynthesis_pairs import f0_frame_errors, measure_resynthesis, report
from zoo.comparison.robustness import hear, unit_edit_distance
from zoo.speech.augmentation import Augmentation, Unchanged
from zoo.speech.f0 import F0Track
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer


class Crossings(SpeechTokenizer):
    """Hears how often a frame of 40 ms crosses zero: the toy's tones, whatever their loudness."""

    def __init__(self):
        super().__init__()
        self.streams, self.sample_rate = STREAMS[:1], 16000

    def encode(self, waveform):
        frames = waveform[: len(waveform) // 640 * 640].view(-1, 640)
        crossings = (frames[:, 1:].sign() != frames[:, :-1].sign()).sum(1)
        return {"Hu": (crossings / 16).round().long().sub(1).clamp(0, 5).numpy()}


class Times(Augmentation):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, waveform, draw):
        return waveform * self.factor


class Backwards(Augmentation):
    def __call__(self, waveform, draw):
        return waveform.flip(0)


WAVES = [hum(np.array(units), 0.5) for units in ([0, 0, 1, 2], [3, 1, 1, 4, 5])]


def test_units_that_do_not_change_have_no_distance():
    plain, changed = hear(
        Crossings(), WAVES, {"unchanged": Unchanged(), "quieter": Times(0.3), "backwards": Backwards()}
    )
    found = {name: unit_edit_distance(plain, units) for name, units in changed.items()}
    assert found["unchanged"]["Hu"].value == found["quieter"]["Hu"].value == 0 < found["backwards"]["Hu"].value


def test_several_processes_hear_what_one_hears(monkeypatch):
    monkeypatch.setattr(robustness, "BLOCK", 1)
    augmentations = {"quieter": Times(0.3), "backwards": Backwards()}
    (plain, changed), (same, too) = (hear(Crossings(), WAVES, augmentations, num_processes=count) for count in (1, 2))
    assert [row["Hu"].tolist() for row in plain] == [row["Hu"].tolist() for row in same] and len(plain) == 2
    assert [row["Hu"].tolist() for row in changed["backwards"]] == [row["Hu"].tolist() for row in too["backwards"]]


def test_edits_worked_by_hand():
    rows = lambda *units: [{"Hu": np.array(one)} for one in units]
    found = unit_edit_distance(rows([0, 0, 1, 2], [3, 3]), rows([0, 2, 2], [3, 4]))["Hu"]
    assert found.value == (1 + 1) / (3 + 1)


def track(frequency):
    frequency = torch.tensor(frequency, dtype=torch.float32)
    return F0Track(frequency, frequency > 0)


def test_f0_errors_worked_by_hand():
    """Of four frames one is unvoiced for voiced, and one is 25% too high."""
    tracks = {0.0: track([100.0, 0.0, 125.0, 0.0]), 1.0: track([100.0, 100.0, 100.0, 0.0])}
    wrong, frames = f0_frame_errors([(torch.zeros(10), torch.ones(12))], lambda wave: tracks[wave[0].item()])
    assert (wrong.tolist(), frames.tolist()) == ([2], [4])


def test_resynthesis_with_every_judge():
    found = measure_resynthesis(
        [(WAVES[0], WAVES[0]), (WAVES[1], WAVES[1][:2000])],
        lambda wave: track([100.0] * 5),
        ["a b", "c"],
        lambda wave: "a b",
        ["happy", "sad"],
        lambda wave: "sad",
    )
    assert found["mel_distance"].value == pytest.approx(0, abs=1e-5) and found["f0_frame_error"].value == 0
    assert found["word_error_rate"].value == pytest.approx(2 / 3) and found["style_accuracy"].value == 0.5
    assert set(report(found)) == set(found) and set(measure_resynthesis([(WAVES[0], WAVES[1])])) == {"mel_distance"}
