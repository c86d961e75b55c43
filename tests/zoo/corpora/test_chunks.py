import numpy as np
import pytest
import soundfile
import torch
from lhotse import Recording

from zoo.audio import resample
from zoo.corpora import chunks as chunks_module
from zoo.corpora.chunks import load_chunks
from zoo.corpora.utterance import Utterance, load_waveform, to_cut


@pytest.fixture
def cut(tmp_path):
    def make(seconds, rate):
        samples = 0.1 * torch.randn(round(seconds * rate), generator=torch.Generator().manual_seed(0)).numpy()
        soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
        recording = Recording.from_file(tmp_path / "a.wav", recording_id="a")
        return to_cut(Utterance("a", "", "en", "ann", None, None, None, recording.duration), recording)

    return make


@pytest.mark.parametrize("speed", [1.0, 0.92, 1.08])
@pytest.mark.parametrize("rate", [16000, 8000, 22050, 44100])
def test_joined_chunks_are_the_whole_waveform(cut, rate, speed):
    recorded = cut(20.3, rate)
    expected = resample(load_waveform(recorded, 16000), round(16000 * speed / 100) * 100, 16000)
    chunks = list(load_chunks(recorded, 16000, 4.0, speed))
    assert [len(chunk) for chunk in chunks[:-1]] == [64000] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= 64000
    torch.testing.assert_close(torch.cat(chunks), expected, rtol=1e-4, atol=1e-6)
    if rate == 16000 and speed == 1.0:
        assert torch.equal(torch.cat(chunks), expected)


def test_short_audio_is_one_chunk(cut):
    recorded = cut(3.0, 16000)
    (chunk,) = load_chunks(recorded, 16000, 4.0)
    assert torch.equal(chunk, load_waveform(recorded))


def test_one_window_is_read_at_a_time(cut, monkeypatch):
    durations = []

    def load_and_record(cut, rate):
        durations.append(cut.duration)
        return load_waveform(cut, rate)

    monkeypatch.setattr(chunks_module, "load_waveform", load_and_record)
    assert sum(len(chunk) for chunk in load_chunks(cut(30.0, 16000), 16000, 5.0)) == 30 * 16000
    assert len(durations) == 6
    assert max(durations) < 5.0 + 4 * chunks_module.MARGIN_SECONDS
    assert np.argmax(durations) > 0
