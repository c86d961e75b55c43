"""Corpora of strangers whose files are pipes, devices, endless links or too large: each is one line, and none waits."""

import json
import os

import pytest
from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment

from tests.toy_cuts import file_cut
from zoo import audio
from zoo.corpora import FolderCorpus, TableCorpus, open_corpus, prepare
from zoo.corpora.audio_sources import UnsafeSourceError, check_sources
from zoo.corpora.source import BadItem
from zoo.corpora.text_sources import HuggingFaceTexts
from zoo.corpora.transcripts import MAX_TRANSCRIPT_BYTES


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, whose opening would wait for a writer."""
    os.mkfifo(tmp_path / "pipe.wav")
    return tmp_path / "pipe.wav"


def places(pipe):
    folder = pipe.parent / "folder.wav"
    folder.mkdir()
    link = pipe.parent / "link.wav"
    link.symlink_to(pipe)
    return {"pipe": pipe, "link to a pipe": link, "folder": folder, "device": "/dev/zero"}


PLACES = ("pipe", "link to a pipe", "folder", "device")


def cut_of(place, id="a"):
    recording = Recording(id, [AudioSource("file", [0], place)], 16000, 6400, 0.4)
    words = SupervisionSegment(id, id, 0.0, 0.4, text="hello", speaker="s")
    return MonoCut(id, 0.0, 0.4, 0, supervisions=[words], recording=recording)


def reasons(out):
    rows = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    return {row["id"]: row["reason"] for row in rows}


@pytest.mark.parametrize("name", PLACES)
def test_audio_that_is_no_regular_file_is_never_opened(name, pipe):
    place = places(pipe)[name]
    with pytest.raises(audio.AudioError, match="is not a regular file"):
        audio.read(place)
    assert file_cut(pipe.parent / place, "a", "", "en", "s") == BadItem("a", str(place), "is not a regular file")
    with pytest.raises(UnsafeSourceError, match="cut a: .* is not a regular file"):
        check_sources(cut_of(str(place)))


@pytest.mark.parametrize("place", [0, True, None, ["a.wav"], {"a": 1}, "a\0.wav"])
def test_the_source_of_a_file_is_a_path(place):
    with pytest.raises(UnsafeSourceError, match="cut a: .* is not the path of a file"):
        check_sources(cut_of(place))


def test_a_dash_is_a_file_name(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(audio.AudioError, match="no such file"):
        audio.read("-")
    make.sound(tmp_path / "a.wav").rename("-")
    assert len(audio.read("-")) == 6400


def test_manifests_and_tables_are_regular_files(make, pipe, tmp_path):
    pipe.rename(tmp_path / "cuts_dev.jsonl")
    good = [cut_of(str(make.sound(tmp_path / f"{number}.wav")), id=str(number)) for number in range(4)]
    CutSet.from_cuts(good).to_jsonl(tmp_path / "cuts_train.jsonl")
    prepare(open_corpus(tmp_path), tmp_path / "out")
    os.mkfifo(tmp_path / "train.jsonl")
    with pytest.raises(FileNotFoundError, match="no train table"):
        TableCorpus(tmp_path / "train.jsonl").splits(tmp_path)


def test_transcripts_are_regular_files_of_bounded_size(make, tmp_path):
    layout = [f"train/s/{number}.wav" for number in range(9)] + ["dev/s/0.wav"]
    root = make.folder_corpus(layout=layout)
    replaced = [root / "train" / "s" / f"{number}.txt" for number in range(3)]
    for path in replaced:
        path.unlink()
    os.mkfifo(replaced[0])
    replaced[1].symlink_to("/dev/zero")
    replaced[2].write_text("a" * (MAX_TRANSCRIPT_BYTES + 1))
    prepare(FolderCorpus(root), tmp_path / "out", max_bad_share=0.5)
    assert reasons(tmp_path / "out") == {
        "s-0": "no transcript: 0.txt is not a regular file",
        "s-1": "no transcript: 1.txt is not a regular file",
        "s-2": f"no transcript: 2.txt has more than {MAX_TRANSCRIPT_BYTES} bytes",
    }


def test_each_folder_is_read_once_whatever_links_to_it(make, tmp_path):
    root = make.folder_corpus()
    want = {split: [item.id for item in items] for split, items in FolderCorpus(root).splits(tmp_path).items()}
    for folder in (root / "train", root / "train" / "anna", root / "dev"):
        for name in ("a", "z"):
            (folder / name).symlink_to(".")
        (folder / "up").symlink_to("..")
    (root / "train" / "again").symlink_to("ben")
    splits = FolderCorpus(root).splits(tmp_path)
    assert [item.id for item in splits["dev"]][:1] == want["dev"]
    ids = [item.id for item in splits["train"]]
    assert sorted(set(ids)) == sorted(ids) and set(want["train"]) <= set(ids)


@pytest.mark.parametrize(
    "arguments",
    [
        {"path": "pandas", "files": ["a.json"]},
        {"path": "webdataset"},
        {"path": "folder/loader.py"},
        {"path": "texts.PKL"},
        {"path": "json", "files": ["texts.pkl"]},
    ],
)
def test_datasets_that_run_code_are_refused(arguments):
    with pytest.raises(ValueError, match="running code or unpickling"):
        HuggingFaceTexts(**arguments)
