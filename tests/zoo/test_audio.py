import math

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from zoo import audio


def tone(seconds=0.5, rate=16000, hertz=440.0):
    return 0.5 * torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_is_read_as_mono(tmp_path, suffix, rate, channels):
    path = tmp_path / f"tone{suffix}"
    sides = [1.2, 0.8][:channels] if channels == 2 else [1.0]
    soundfile.write(path, np.stack([tone(1.0, rate).numpy() * side for side in sides], axis=1), rate)
    actual, expected = audio.read(path), tone(1.0)
    assert actual.dtype == torch.float32 and actual.dim() == 1
    # MP3 encoders pad and delay; the level of the middle is what every format keeps.
    assert abs(len(actual) - len(expected)) <= (3000 if suffix == ".mp3" else 16)
    middle = slice(4000, 12000)
    assert actual[middle].std().item() == pytest.approx(expected[middle].std().item(), rel=0.03)
    if suffix in (".wav", ".flac"):
        assert torch.allclose(actual[middle], expected[middle], atol=0.01)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_written_file_is_read_back(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    audio.write(path, tone(), 16000)
    assert torch.allclose(audio.read(path), tone(), atol=1 / 32000)
    assert soundfile.info(path).subtype == "PCM_16"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_samples_beyond_1_are_clipped(tmp_path):
    audio.write(tmp_path / "a.wav", 4 * tone(), 16000)
    assert audio.read(tmp_path / "a.wav").max() > 0.999
    assert torch.equal(audio.read(tmp_path / "a.wav").sign()[1:18], torch.ones(17))


def test_section_of_a_file(tmp_path):
    audio.write(tmp_path / "a.wav", tone(1.0), 16000)
    part = audio.read(tmp_path / "a.wav", start_seconds=0.25, duration_seconds=0.5)
    assert torch.equal(part, audio.read(tmp_path / "a.wav")[4000:12000])
    assert len(audio.read(tmp_path / "a.wav", start_seconds=0.9, duration_seconds=5.0)) == 1600


@pytest.mark.parametrize("from_rate", [8000, 22050, 44100])
def test_resampling_equals_torchaudio(from_rate):
    wave = tone(0.3, from_rate)
    assert torch.equal(audio.resample(wave, from_rate, 16000), torchaudio.functional.resample(wave, from_rate, 16000))
    assert audio.resample(wave, from_rate, from_rate) is wave


def bad_files(folder):
    (folder / "text.wav").write_text("not audio")
    soundfile.write(folder / "empty.wav", np.zeros(0, np.float32), 16000)
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan, 0.2], np.float32), 16000, subtype="FLOAT")
    soundfile.write(folder / "inf.wav", np.array([0.1, np.inf, 0.2], np.float32), 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    "name, message",
    [
        ("missing.wav", "no such file"),
        ("text.wav", "unreadable"),
        ("empty.wav", "no samples"),
        ("nan.wav", "NaN"),
        ("inf.wav", "NaN"),
    ],
)
def test_unusable_file_is_a_one_line_error(tmp_path, name, message):
    bad_files(tmp_path)
    with pytest.raises(audio.AudioError) as error:
        audio.read(tmp_path / name)
    message = str(error.value)
    assert str(tmp_path / name) in message and message in message and "\n" not in message


def test_start_beyond_the_end_is_an_error(tmp_path):
    audio.write(tmp_path / "a.wav", tone(), 16000)
    with pytest.raises(audio.AudioError, match="no samples from 9 s"):
        audio.read(tmp_path / "a.wav", start_seconds=9.0)


def test_unusable_waveforms_are_not_written(tmp_path):
    for wave, message in (
        (torch.zeros(1, 8), "shape"),
        (torch.zeros(0), "no samples"),
        (torch.tensor([math.nan]), "NaN"),
    ):
        with pytest.raises(audio.AudioError, match=message):
            audio.write(tmp_path / "a.wav", wave, 16000)
    with pytest.raises(audio.AudioError, match="cannot write .xyz"):
        audio.write(tmp_path / "a.xyz", tone(), 16000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_file_written_in_chunks_equals_one_written_at_once(tmp_path, suffix):
    audio.write(tmp_path / f"a{suffix}", tone(2.0), 16000)
    assert audio.write_chunks(tmp_path / f"b{suffix}", tone(2.0).split(3000), 16000) == 32000
    whole, chunks = (audio.read(tmp_path / f"{name}{suffix}") for name in "ab")
    assert len(whole) == len(chunks) and torch.allclose(whole, chunks, atol=1e-2)
    if suffix in (".wav", ".flac"):
        assert torch.equal(whole, chunks)


def test_a_full_disk_is_an_os_error_and_leaves_no_file(tmp_path, monkeypatch):
    def write(self, data):
        self.error = OSError(28, "No space left on device")
        return 0

    monkeypatch.setattr(audio._Target, "write", write)
    with pytest.raises(OSError, match="No space left"):
        audio.write(tmp_path / "a.wav", tone(), 16000)
    assert list(tmp_path.iterdir()) == []


def test_constant_signals_are_recognized():
    assert audio.is_constant(torch.zeros(10)) and audio.is_constant(torch.full((10,), 0.3))
    assert not audio.is_constant(tone())
