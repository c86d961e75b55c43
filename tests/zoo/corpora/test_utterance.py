import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet, Recording

from zoo import audio
from zoo.corpora import Utterance, load_waveform, to_cut, to_utterance

WORDS = (("one", 0.1, 0.25), ("two", 0.25, 0.3875))


def labeled(**changes):
    labels = {
        "id": "u",
        "text": "one two",
        "language": "en-GB",
        "speaker": "anna",
        "style": "sad",
        "words": WORDS,
        "phonemes": (("w", 0.1, 0.2),),
        "duration": 0.5,
    }
    return Utterance(**labels | changes)


@pytest.mark.parametrize(
    "changes", [{}, {"style": None}, {"words": None, "phonemes": None}, {"words": ()}, {"text": ""}]
)
def test_there_and_back(make, tmp_path, changes):
    cut = to_cut(labeled(**changes), Recording.from_file(make.sound(tmp_path / "a.wav", 0.5)))
    assert to_utterance(cut) == labeled(**changes)
    CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl")
    assert to_utterance(CutSet.from_file(tmp_path / "cuts.jsonl")[0]) == labeled(**changes)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("rate, channels", [(8000, 1), (22050, 2), (44100, 2), (48000, 1)])
def test_the_waveform_of_a_cut_is_that_of_its_file(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((rate, channels)), rate)
    header = soundfile.info(path)
    recording = Recording.from_file(path)
    got, want = load_waveform(to_cut(labeled(), recording)), audio.read(path)
    assert abs(len(got) - len(want)) <= 1 and header.frames == recording.num_samples
    assert torch.allclose(got[: len(want)], want[: len(got)], atol=1e-5)


def test_part_of_a_recording(make, tmp_path):
    cut = to_cut(labeled(), Recording.from_file(make.sound(tmp_path / "a.wav", 0.5)))
    assert torch.equal(load_waveform(cut.truncate(offset=0.1, duration=0.2)), audio.read(tmp_path / "a.wav")[1600:4800])


def test_a_vanished_file_is_one_line(make, tmp_path):
    cut = to_cut(labeled(), Recording.from_file(make.sound(tmp_path / "a.wav")))
    (tmp_path / "a.wav").unlink()
    with pytest.raises(audio.AudioError, match="a.wav: no such file") as error:
        load_waveform(cut)
    assert "\n" not in str(error.value)


def test_several_supervisions_are_refused(make, tmp_path):
    cut = to_cut(labeled(), Recording.from_file(make.sound(tmp_path / "a.wav")))
    cut.supervisions = cut.supervisions * 2
    with pytest.raises(ValueError, match="trim_to_supervisions"):
        to_utterance(cut)
