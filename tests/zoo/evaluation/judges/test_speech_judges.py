import pytest
import torch

from zoo.evaluation.judges.speech_judges import JudgedSpeech, SpeechJudges, installed_judges, mean_scores


class Length:
    """Opinion scores that are the number of samples."""

    names = ("length",)

    def __call__(self, waveforms, sample_rate):
        return {"length": [float(len(waveform)) for waveform in waveforms]}


def voices(waveforms, sample_rate):
    """Embeddings that are the first two samples."""
    return torch.stack([waveform[:2] for waveform in waveforms])


def recognize(waveforms, sample_rate):
    return ["a b"] * len(waveforms)


def test_each_score_is_given_where_it_is_defined():
    speech = [
        JudgedSpeech(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.6, 0.8]), "a c"),
        JudgedSpeech(torch.tensor([0.0, 1.0])),
        JudgedSpeech(torch.tensor([0.0, 1.0]), text="uh", language="en"),
    ]
    first, second, third = SpeechJudges(recognize, voices, [Length()])(speech, 16000)
    assert first == pytest.approx(
        {
            "word_errors": 1,
            "words": 2,
            "character_errors": 1,
            "characters": 3,
            "speaker_similarity": 0.6,
            "length": 3,
        }
    )
    assert second == {"length": 2}
    assert third["words"] == 0 and torch.tensor(third["word_errors"]).isnan()
    means = mean_scores([first, second, third])
    assert means == pytest.approx(
        {"word_error_rate": 0.5, "character_error_rate": 1 / 3, "speaker_similarity": 0.6, "length": 7 / 3}
    )


def test_what_is_absent_is_said():
    assert set(SpeechJudges().absent()) == {"word and character errors", "speaker similarity", "DNSMOS"}
    assert SpeechJudges(recognize, voices, [Length()]).absent() == {}
    assert SpeechJudges()([JudgedSpeech(torch.zeros(3), text="a")], 16000) == [{}]


def test_installed_judges_are_those_whose_packages_are_there(monkeypatch):
    monkeypatch.setattr("zoo.evaluation.judges.speech_judges.find_spec", lambda name: None)
    judges = installed_judges("some/recognizer", "de")
    assert judges.recognizer is not None and judges.speaker_encoder is None and judges.opinions == []
    assert installed_judges(speaker_encoder="some/encoder").speaker_encoder is not None
