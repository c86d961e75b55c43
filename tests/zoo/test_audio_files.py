"""Whatever the corpus stage accepts is read alike by every later stage, in whole and in sections."""

import io
import os
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet, MonoCut, Recording
from lhotse.audio import AudioSource

from tests.toy_cuts import file_cut
from zoo import audio
from zoo.audio_decoders import AudioError, open_decoder
from zoo.audio_files import read_info, read_section
from zoo.corpora.chunks import load_chunks
from zoo.corpora.utterance import load_waveform

av = pytest.importorskip("av", reason="PyAV, of the extra `containers`, is not installed")

SECONDS = 3.0


def speech_like(rate=16000, seconds=SECONDS, channels=1, seed=0):
    time = np.arange(round(rate * seconds)) / rate
    sweep = np.sin(2 * np.pi * (200 * time + 100 * time**2))
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    return np.stack([(0.3 * sweep + noise).astype(np.float32)] * channels, axis=1)


def write_container(path, rate=16000, codec="aac", container="mp4", channels=1):
    samples = speech_like(rate, channels=channels)
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=stream.layout.name)
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return path


def write_sound(path, format, subtype, rate=16000):
    soundfile.write(path, speech_like(rate), rate, format=format, subtype=subtype)
    return path


FILES = {
    "sphere": lambda folder: write_sound(folder / "a.sph", "NIST", "PCM_16"),
    "sphere, mu-law": lambda folder: write_sound(folder / "a.sph", "NIST", "ULAW", 8000),
    "GSM": lambda folder: write_sound(folder / "a.wav", "WAV", "GSM610", 8000),
    "ADPCM": lambda folder: write_sound(folder / "a.wav", "WAV", "IMA_ADPCM"),
    "AIFF": lambda folder: write_sound(folder / "a.aiff", "AIFF", "PCM_24"),
    "Opus": lambda folder: write_sound(folder / "a.opus", "OGG", "OPUS"),
    "MP3": lambda folder: write_sound(folder / "a.mp3", "MP3", "MPEG_LAYER_III"),
    "M4A": lambda folder: write_container(folder / "a.m4a"),
    "M4A, stereo": lambda folder: write_container(folder / "a.m4a", 44100, channels=2),
    "WebM": lambda folder: write_container(folder / "a.webm", 48000, "libopus", "webm"),
    "AAC": lambda folder: write_container(folder / "a.aac", container="adts"),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_reader_gives_the_same_samples(kind, tmp_path):
    path = FILES[kind](tmp_path)
    cut = file_cut(path, "a", "", "en", "s")
    whole = audio.read(path)
    assert abs(cut.duration - SECONDS) < 0.1
    assert torch.equal(load_waveform(cut), whole)
    middle = audio.read(path, start_seconds=1.0, duration_seconds=1.0)
    assert torch.equal(load_waveform(cut.truncate(offset=1.0, duration=1.0)), middle)
    tolerance = 0.02 if kind in ("MP3", "Opus") else 1e-4  # their decoders need some frames after a seek
    assert (middle - whole[16000:32000])[200:-200].abs().max() < tolerance
    chunks = torch.cat(list(load_chunks(cut, 16000, 0.7)))
    assert len(chunks) == len(whole) and (chunks - whole).abs().max() < tolerance


def test_sections_of_a_file_that_cannot_seek_decode_it_once(tmp_path, monkeypatch):
    path = write_sound(tmp_path / "a.wav", "WAV", "GSM610", 8000)
    whole = read_section(path).samples
    opened = []
    monkeypatch.setattr("zoo.audio_files.open_decoder", lambda source: opened.append(source) or open_decoder(source))
    for start in (0.0, 0.5, 0.9, 2.0, 2.0):
        part = read_section(path, start, 0.75).samples
        assert np.array_equal(part, whole[:, round(8000 * start) :][:, :6000])
    assert len(opened) == 1
    assert np.array_equal(read_section(path, 0.25, 0.5).samples, whole[:, 2000:6000])  # backwards
    assert len(opened) == 2
    soundfile.write(path, -speech_like(8000), 8000, format="WAV", subtype="GSM610")
    os.utime(path, ns=(1, 1))
    assert np.corrcoef(read_section(path, 0.5, 0.5).samples, whole[:, 4000:8000])[0, 1] < -0.9


def test_a_forked_process_opens_its_own_file(tmp_path):
    path = write_sound(tmp_path / "a.wav", "WAV", "GSM610", 8000)
    whole = read_section(path).samples
    read_section(path, 0.0, 0.5)
    child = os.fork()
    if child == 0:
        same = np.array_equal(read_section(path, 0.5, 0.5).samples, whole[:, 4000:8000])
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(read_section(path, 0.5, 0.5).samples, whole[:, 4000:8000])


def test_a_container_without_a_decoder_is_refused_by_the_corpus_stage_with_the_command(tmp_path, monkeypatch):
    path = write_container(tmp_path / "a.m4a")
    monkeypatch.setitem(sys.modules, "av", None)
    reason = file_cut(path, "a", "", "en", "s").reason
    assert "pip install 'spiritlm-zoo[containers]'" in reason and f"ffmpeg -i '{path}' '{tmp_path}/a.flac'" in reason


def test_content_in_a_manifest_is_decoded_alike(tmp_path):
    path = write_container(tmp_path / "a.m4a")
    info = read_info(path)
    source = AudioSource("memory", [0], path.read_bytes())
    recording = Recording("a", [source], info.sample_rate, info.num_samples, info.seconds)
    cut = MonoCut("a", 0.0, info.seconds, 0, recording=recording)
    assert torch.equal(load_waveform(cut), audio.read(path))
    assert CutSet.from_cuts([cut])


def patched(content, at, value):
    return content[:at] + value + content[at + len(value) :]


@pytest.mark.parametrize(
    "rate, message", [(1, "a sample rate of 1 Hz"), (999, "999 Hz"), (2_000_000_000, "2000000000 Hz")]
)
def test_impossible_sample_rates_are_refused(rate, message, tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, speech_like(), 16000, format="WAV")
    (tmp_path / "a.wav").write_bytes(patched(buffer.getvalue(), 24, rate.to_bytes(4, "little")))
    with pytest.raises(AudioError, match=message):
        audio.read(tmp_path / "a.wav")
    assert message in file_cut(tmp_path / "a.wav", "a", "", "en", "s").reason


def test_a_header_that_states_hours_allocates_nothing(tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, speech_like(), 16000, format="FLAC")
    content = buffer.getvalue()
    # STREAMINFO: 36 bits of the total number of samples, in bytes 21 to 25.
    long = patched(content, 21, bytes([content[21] | 0x0F]) + b"\xff\xff\xff\xff")
    (tmp_path / "long.flac").write_bytes(long)
    with pytest.raises(AudioError, match="longer than 24 hours"):
        read_info(tmp_path / "long.flac")
    tracemalloc.start()
    with pytest.raises(AudioError, match="long.flac: unreadable"):
        read_section(tmp_path / "long.flac", 0.0, 1e6)
    assert tracemalloc.get_traced_memory()[1] < 2**30
    tracemalloc.stop()
    unknown = patched(content, 21, bytes([content[21] & 0xF0]) + b"\0\0\0\0")
    (tmp_path / "unknown.flac").write_bytes(unknown)
    assert read_info(tmp_path / "unknown.flac").num_samples == 48000
    assert len(audio.read(tmp_path / "unknown.flac")) == 48000


def test_the_reason_of_the_decoder_is_in_the_message(tmp_path):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + b"\0" * 100)
    (tmp_path / "b.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match="a.m4a: unreadable .*nvalid data"):
        audio.read(tmp_path / "a.m4a")
    with pytest.raises(AudioError, match="b.wav: unreadable .*Format not recognised"):
        audio.read(tmp_path / "b.wav")


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.stack([speech_like()[:, 0], -speech_like()[:, 0]], axis=1), "its 2 channels cancel"),
        (speech_like() * 32768, "far outside of"),
        (np.concatenate([speech_like(), [[1e30]]]), "a sample of 1e\\+30"),
    ],
)
def test_unusable_samples_are_named(samples, message, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    cut = file_cut(tmp_path / "a.wav", "a", "", "en", "s")
    for read in (lambda: audio.read(tmp_path / "a.wav"), lambda: load_waveform(cut)):
        with pytest.raises(AudioError, match=f"a.wav.*{message}"):
            read()


def test_channels_that_differ_are_averaged(tmp_path):
    other = speech_like(seed=1)[::-1]
    soundfile.write(tmp_path / "a.wav", np.concatenate([speech_like(), other], axis=1), 16000, subtype="FLOAT")
    want = np.concatenate([speech_like(), other], axis=1).mean(axis=1)
    assert np.array_equal(audio.read(tmp_path / "a.wav").numpy(), want)
    one_sided = np.concatenate([speech_like(), 0 * other], axis=1)
    soundfile.write(tmp_path / "a.wav", one_sided, 16000, subtype="FLOAT")
    assert audio.read(tmp_path / "a.wav").std() > 0.1
