"""Manifests of strangers: whatever their sources say, nothing runs, at the corpus stage and when audio is opened."""

import json

import numpy as np
import pytest
import soundfile
import torch
from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.augmentation import ReverbWithImpulseResponse

from zoo.audio import AudioError
from zoo.corpora import open_corpus, prepare
from zoo.corpora.audio_sources import UnsafeSourceError, check_sources, load_samples
from zoo.corpora.utterance import load_waveform

RATE = 16000
SECONDS = 1.0


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """The file that every attack below tries to make, in the working folder."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "owned"
    assert not (tmp_path / "owned").exists()


def cut_of(*sources, id="a", transforms=None):
    recording = Recording(id, list(sources), RATE, int(RATE * SECONDS), SECONDS, transforms=transforms)
    words = SupervisionSegment(id, id, 0.0, SECONDS, text="hello", speaker="s")
    return MonoCut(id, 0.0, SECONDS, 0, supervisions=[words], recording=recording)


def tone(path):
    samples = 0.1 * np.sin(np.arange(int(RATE * SECONDS)) * 0.05).astype(np.float32)
    soundfile.write(path, samples, RATE, format="WAV")
    return AudioSource("file", [0], str(path))


def attacks(folder):
    plain = tone(folder / "plain.wav")
    command = AudioSource("command", [0], f"touch {folder}/owned; cat {folder}/plain.wav")
    yield "command", cut_of(command)
    yield "pipe", cut_of(AudioSource("url", [0], f"pipe:touch {folder}/owned"))
    yield "capital letters", cut_of(AudioSource("url", [0], f"PIPE:touch {folder}/owned"))
    yield "file that is a pipe", cut_of(AudioSource("file", [0], f"pipe:touch {folder}/owned"))
    yield "standard input", cut_of(AudioSource("file", [0], "-"))
    yield "local url", cut_of(AudioSource("url", [0], "file:///etc/passwd"))
    yield "second source", cut_of(plain, AudioSource("command", [1], f"touch {folder}/owned"))
    room = cut_of(command, id="room").recording.to_dict()
    yield "impulse response", cut_of(plain, transforms=[ReverbWithImpulseResponse(rir=room).to_dict()])
    yield "track of a mix", cut_of(plain).mix(cut_of(command, id="noise"), snr=10)


KINDS = (
    "command",
    "pipe",
    "capital letters",
    "file that is a pipe",
    "standard input",
    "local url",
    "second source",
    "impulse response",
    "track of a mix",
)


@pytest.mark.parametrize("kind", KINDS)
def test_no_source_runs_a_command_when_audio_is_opened(kind, tmp_path, marker):
    cut = dict(attacks(tmp_path))[kind]
    with pytest.raises(UnsafeSourceError, match=f"cut {cut.id}"):
        check_sources(cut, allow_remote=True)
    with pytest.raises(UnsafeSourceError):
        load_samples(cut)
    with pytest.raises(AudioError, match=f"cut {cut.id}"):
        load_waveform(cut)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "second source"])
def test_the_corpus_stage_lists_such_utterances_and_runs_nothing(kind, tmp_path, marker):
    good = [cut_of(tone(tmp_path / f"{number}.wav"), id=f"good{number}") for number in range(9)]
    bad = dict(attacks(tmp_path))[kind].with_id("bad")
    for split, cuts in (("train", [*good[:6], bad]), ("dev", good[6:])):
        CutSet.from_cuts(cuts).to_jsonl(tmp_path / f"cuts_{split}.jsonl")
    prepare(open_corpus(tmp_path), tmp_path / "out", max_bad_share=0.5)
    skipped = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert [row["id"] for row in skipped] == ["bad"]


def test_remote_sources_are_read_only_where_they_are_allowed():
    cut = cut_of(AudioSource("url", [0], "https://example.org/a.wav"))
    with pytest.raises(UnsafeSourceError, match="allow_remote=true"):
        check_sources(cut)
    check_sources(cut, allow_remote=True)


def test_commands_and_unsupported_types_have_messages_of_their_own():
    with pytest.raises(
        UnsafeSourceError, match="cut a: its source would run the command 'touch owned'; save the audio"
    ):
        check_sources(cut_of(AudioSource("command", [0], "touch owned")))
    with pytest.raises(UnsafeSourceError, match="cut a: its source has the unsupported type 'shar'; save the audio"):
        check_sources(cut_of(AudioSource("shar", [0], "")))


@pytest.mark.parametrize("suffix", [".sph", ".opus", ".wav", ".m4a"])
def test_a_file_name_is_never_part_of_a_command(suffix, tmp_path, marker):
    for name in (
        f"a;touch owned;{suffix}",
        f"a';touch owned;'{suffix}",
        f"$(touch owned){suffix}",
        f"`touch owned`{suffix}",
    ):
        source = tone(tmp_path / name)
        assert torch.isfinite(load_waveform(cut_of(source))).all()
        (tmp_path / name).write_bytes(b"no audio at all")
        with pytest.raises(AudioError):
            load_waveform(cut_of(AudioSource("file", [0], name)))


def test_a_manifest_named_like_a_pipe_is_a_file(tmp_path, marker):
    name = "pipe:touch owned;.jsonl"
    CutSet.from_cuts([cut_of(tone(tmp_path / "plain.wav"), id=str(n)) for n in range(4)]).to_jsonl(tmp_path / "x.jsonl")
    (tmp_path / "x.jsonl").rename(name)
    prepare(open_corpus(name), tmp_path / "out")
