import numpy as np
import pytest
import torch

from tests.toy_speech import hum
from tests.toy_tokenizer import ZeroCrossings
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.evaluation.resynthesis import (
    ResynthesisItem,
    ResynthesisMetrics,
    measure_resynthesis,
    other_of_speaker,
    resynthesize,
)
from zoo.metrics.f0_from_waveforms import F0Errors
from zoo.speech.f0 import F0Extractor, F0Track

TOKENIZER = ZeroCrossings()


def utterance(units, text="", style=None):
    waveform = hum(np.array(units), 0.5)
    return ResynthesisItem("u", waveform, TOKENIZER.encode(waveform), style=style, text=text)


def original(reference):
    return reference.waveform


class Tracks(F0Extractor):
    """An extractor that looks up the contour of a waveform by its first sample."""

    def __init__(self, tracks):
        super().__init__()
        self.tracks = tracks

    def forward(self, waveform):
        frequency = torch.tensor(self.tracks[waveform[0].item()])
        return F0Track(frequency, frequency > 0)

    def config(self):
        return {}


def test_f0_errors_worked_by_hand():
    """Of four frames one is unvoiced for voiced, and one is 25% too high."""
    tracks = Tracks({0.0: [100.0, 0.0, 125.0, 0.0], 1.0: [100.0, 100.0, 100.0, 0.0]})
    reference = ResynthesisItem("u", torch.ones(8000), TOKENIZER.encode(torch.ones(8000)))
    metrics = ResynthesisMetrics(TOKENIZER, {"f0": F0Errors(tracks)})
    assert metrics(torch.zeros(8000), reference)["f0_frame_error"] == 0.5


def test_the_resynthesis_is_as_long_as_the_recording():
    reference = utterance([0, 1])
    for length in (100, 5000):
        waveform = resynthesize(lambda _, length=length: torch.ones(length), reference)
        assert len(waveform) == len(reference.waveform)
        assert waveform.sum() == min(length, len(reference.waveform))


def test_speech_that_is_unchanged_has_no_distance():
    scores = measure_resynthesis(original, [utterance([0, 0, 1, 2]), utterance([3, 1])], ResynthesisMetrics(TOKENIZER))
    assert set(scores) == {"mel_distance", "unit_edit_distance"}
    assert scores["mel_distance"].estimate().value == pytest.approx(0, abs=1e-5)
    assert scores["unit_edit_distance"].estimate().value == 0


def test_the_word_error_rate_is_that_of_the_corpus_and_missing_texts_and_styles_are_left_out():
    """One of three words is wrong; the mean over utterances would be one half."""
    utterances = [utterance([0, 0, 1, 2], "a b", "happy"), utterance([3, 1], "c", "sad"), utterance([2, 4])]
    metrics = ResynthesisMetrics(TOKENIZER, style=lambda waveform, sample_rate: "sad")

    def recognizer(waveforms, sample_rate):
        return ["a b" if len(waveform) > 2000 else "d" for waveform in waveforms]

    scores = measure_resynthesis(original, utterances, metrics, SpeechJudges(recognizer))
    assert list(scores)[:2] == ["word_error_rate", "character_error_rate"]
    word_error_rate = scores["word_error_rate"].estimate()
    assert word_error_rate.value == pytest.approx(1 / 3) and word_error_rate.n == 2
    style_accuracy = scores["style_accuracy"].estimate()
    assert style_accuracy.value == 0.5 and style_accuracy.n == 2
    assert scores["word_error_rate"].minus(scores["word_error_rate"]).value == 0


def test_a_voice_is_that_of_the_next_utterance_of_a_known_speaker():
    assert other_of_speaker(["ann", "bob", "ann", None, "unknown", "unknown", "ann"]) == [
        2,
        None,
        6,
        None,
        None,
        None,
        0,
    ]
