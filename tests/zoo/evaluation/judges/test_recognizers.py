import os
from pathlib import Path

import pytest
import torch

from tests.toy_recognizer import write_recognizer
from tests.toy_whisper import write_whisper
from zoo.audio import SAMPLE_RATE, AudioError
from zoo.corpora.espeak import Synthesizer, Voice
from zoo.evaluation.judges.recognizers import Decoding, PretrainedRecognizer
from zoo.evaluation.scoring.error_rates import word_error_rate

PRETRAINED = os.environ.get("PRETRAINED")


def noise(seconds, sample_rate=16000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(int(seconds * sample_rate), generator=generator)


def test_speech_of_any_duration_and_sample_rate_is_transcribed_in_order(tmp_path):
    recognizer = PretrainedRecognizer(str(write_recognizer(tmp_path, "b")), batch_size=2)
    waveforms = [
        noise(1.0, 8000),
        torch.zeros(8000),
        noise(0.3, 8000),
        torch.zeros(0),
        noise(35, 8000),
        noise(0.01, 8000),
    ]
    assert recognizer(waveforms, 8000) == ["b", "", "b", "", "b", ""]
    assert recognizer([], 8000) == []


def test_speech_that_is_not_finite_is_refused_in_one_line(tmp_path):
    recognizer = PretrainedRecognizer(str(write_recognizer(tmp_path, "b")))
    with pytest.raises(AudioError, match="NaN or infinity"):
        recognizer([torch.full((16000,), float("nan"))], 16000)


def test_whisper_is_told_language_and_task_and_batches_change_nothing(tmp_path):
    folder = str(write_whisper(tmp_path))
    waveforms = [noise(1.0, seed=1), noise(2.0, seed=2), noise(0.5, seed=3)]
    german = PretrainedRecognizer(folder, "de-DE", Decoding(num_beams=2, task="translate"), batch_size=3)
    assert german._generation == {"num_beams": 2, "task": "translate", "language": "de"}
    together = german(waveforms, 16000)
    german.batch_size = 1
    assert german(waveforms, 16000) == together
    assert PretrainedRecognizer(folder)._generation == {"num_beams": 1, "task": "transcribe"}
    assert len(PretrainedRecognizer(folder, "en")([noise(31)], 16000)) == 1


def test_a_language_that_whisper_does_not_know_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no language 'fr'"):
        PretrainedRecognizer(str(write_whisper(tmp_path)), "fr")([noise(1.0)], 16000)


def test_an_english_whisper_takes_no_language_and_refuses_others(tmp_path):
    folder = str(write_whisper(tmp_path, multilingual=False))
    assert PretrainedRecognizer(folder, "en-GB")._generation == {"num_beams": 1}
    for wrong in (PretrainedRecognizer(folder, "de"), PretrainedRecognizer(folder, "en", Decoding(task="translate"))):
        with pytest.raises(ValueError, match="knows English alone"):
            wrong([noise(1.0)], 16000)


def test_what_is_no_recognizer_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        PretrainedRecognizer(str(tmp_path / "a" / "b"))([noise(1.0)], 16000)
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        PretrainedRecognizer(str(tmp_path))([noise(1.0)], 16000)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="no transformers recognizer"):
        PretrainedRecognizer(str(tmp_path))([noise(1.0)], 16000)
    with pytest.raises(ValueError, match="num_beams 0"):
        Decoding(num_beams=0)


@pytest.mark.skipif(not PRETRAINED, reason="PRETRAINED names no folder of pretrained checkpoints")
def test_whisper_reads_a_synthetic_sentence():
    sentence = "The cat sat on the mat, and the dog ran home."
    speech = Synthesizer().synthesize(sentence, Voice("en-us"))
    recognizer = PretrainedRecognizer(str(Path(PRETRAINED) / "whisper-tiny"), "en")
    transcripts = recognizer([speech.waveform], SAMPLE_RATE)
    assert word_error_rate([sentence], transcripts, "en").value <= 0.3
