import numpy as np
import pytest
import soundfile
import torch
from lhotse import Recording

from zoo.audio import resample
from zoo.corpora import chunks as pieces_module
from zoo.corpora.chunks import pieces
from zoo.corpora.utterance import Utterance, to_cut, waveform


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
def test_pieces_joined_are_the_whole(cut, rate, speed):
    made = cut(20.3, rate)
    whole = resample(waveform(made, 16000), round(16000 * speed / 100) * 100, 16000)
    parts = list(pieces(made, 16000, 4.0, speed))
    assert [len(part) for part in parts[:-1]] == [64000] * (len(parts) - 1) and 0 < len(parts[-1]) <= 64000
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-4, atol=1e-6)
    if rate == 16000 and speed == 1.0:
        assert torch.equal(torch.cat(parts), whole)


def test_short_audio_is_one_piece(cut):
    made = cut(3.0, 16000)
    (part,) = pieces(made, 16000, 4.0)
    assert torch.equal(part, waveform(made))


def test_only_a_window_is_read_at_a_time(cut, monkeypatch):
    read = []
    monkeypatch.setattr(pieces_module, "waveform", lambda cut, rate: read.append(cut.duration) or waveform(cut, rate))
    assert sum(len(part) for part in pieces(cut(30.0, 16000), 16000, 5.0)) == 30 * 16000
    assert len(read) == 6 and max(read) < 5.0 + 4 * pieces_module.MARGIN_SECONDS and np.argmax(read) > 0
