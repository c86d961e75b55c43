import torch

from tests.toy_recognizer import write_recognizer
from zoo.evaluation.judges.recognizers import PretrainedRecognizer


def test_a_recognizer_transcribes_a_waveform(tmp_path):
    assert PretrainedRecognizer(str(write_recognizer(tmp_path, "b")))(torch.randn(16000)) == "b"
