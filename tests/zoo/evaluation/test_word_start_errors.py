import pytest
import torch

from tests.toy_cuts import file_cut
from zoo.audio import write
from zoo.evaluation.word_start_errors import measure_word_starts
from zoo.forced_alignment.aligner import Alignment

EXACT = (("a", 0.1, 0.3), ("b", 0.4, 0.5), ("c", 0.6, 0.9))


class Shifted:
    """Gives starts that are late by so many seconds."""

    sample_rate = 16000
    name = "shifted"

    def __init__(self, *shifts):
        self.shifts = shifts

    def align(self, waveform, words, language="und"):
        if "x" in words:
            raise ValueError("no x")
        times = {word: start for word, start, _ in EXACT}
        intervals = [
            (word, times[word] + shift, times[word] + shift + 0.05)
            for word, shift in zip(words, self.shifts, strict=True)
        ]
        return Alignment(tuple(intervals), (1.0,) * len(words))


@pytest.fixture
def cuts(tmp_path):
    write(tmp_path / "a.wav", torch.full((16000,), 0.1), 16000)
    labels = {"a": EXACT, "b": None, "c": (("x", 0.1, 0.2),)}
    return [file_cut(tmp_path / "a.wav", name, "t", "en", "s", words=words) for name, words in labels.items()]


def test_errors_of_a_known_shift(cuts):
    errors = measure_word_starts(Shifted(0.01, -0.05, 0.2), cuts)
    assert (errors.utterances, errors.words, errors.aligned) == (2, 4, 0.75)
    assert errors.median == pytest.approx(0.05) and errors.bias == pytest.approx(0.01)
    assert errors.percentile_90 == pytest.approx(0.17)
    assert errors.within == pytest.approx({0.02: 1 / 3, 0.05: 2 / 3, 0.1: 2 / 3})
    assert errors.reasons == {"c": "no x"}


def test_nothing_to_compare_is_an_error(cuts):
    with pytest.raises(ValueError, match="no utterance has word times"):
        measure_word_starts(Shifted(0, 0, 0), cuts[1:2])
    with pytest.raises(ValueError, match="none of 1 utterances could be aligned; the first: c: no x"):
        measure_word_starts(Shifted(0, 0, 0), cuts[1:])
