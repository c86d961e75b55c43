"""Manifests and prepared corpora of strangers: bombs end in one line at once, and nothing is read over the network."""

import gzip
import http.server
import json
import threading
import time

import pytest
from lhotse import AudioSource, CutSet, MonoCut, Recording, SupervisionSegment
from lhotse.augmentation import DereverbWPE, Resample, Speed

from zoo import files
from zoo.audio import AudioError
from zoo.corpora import LhotseCorpus, open_corpus, prepare, read_cuts
from zoo.corpora.audio_sources import UnsafeSourceError, check_sources
from zoo.corpora.cut_table import CutTable
from zoo.corpora.lhotse_cuts import split_utterances
from zoo.corpora.lhotse_manifests import manifest_kind
from zoo.corpora.text_sources import TextFiles
from zoo.corpora.utterance import load_waveform


def recording(path, seconds=0.4, rate=16000, **values):
    return Recording("r", [AudioSource("file", [0], str(path))], rate, round(rate * seconds), seconds, **values)


def cut_of(recording, id="a", num_supervisions=1):
    seconds = recording.duration / num_supervisions
    labels = []
    for number in range(num_supervisions):
        labels.append(SupervisionSegment(f"{id}{number}", "r", number * seconds, seconds, text="hello", speaker="s"))
    return MonoCut(id, 0.0, recording.duration, 0, supervisions=labels, recording=recording)


@pytest.fixture
def limit(monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE_LENGTH", 1 << 16)
    return 1 << 16


def bomb(path, text=b"{"):
    """A small gzip file of one line of 128 MiB."""
    with gzip.open(path, "wb", 1) as file:
        for _ in range(1 << 7):
            file.write(text * (1 << 20))


def test_a_line_without_end_is_one_line_at_once(tmp_path):
    bomb(tmp_path / "train.jsonl.gz")
    started = time.perf_counter()
    assert manifest_kind(tmp_path / "train.jsonl.gz") is None
    for read in (
        lambda: next(iter(read_cuts(tmp_path, "train"))),
        lambda: len(CutTable(tmp_path, "train")),
        lambda: next(iter(TextFiles(tmp_path / "train.jsonl.gz"))),
    ):
        with pytest.raises(ValueError, match=r"train.jsonl.gz, line 1: longer than \d+ bytes"):
            read()
    assert time.perf_counter() - started < 4


def test_manifests_with_a_long_line_are_one_line(make, limit, tmp_path):
    good = cut_of(recording(make.sound(tmp_path / "a.wav")))
    path = tmp_path / "cuts_train.jsonl"
    CutSet.from_cuts([good]).to_jsonl(path)
    path.write_text(path.read_text() + " " * (2 * limit) + "\n")
    with pytest.raises(ValueError, match="cuts_train.jsonl, line 2: longer than"):
        prepare(open_corpus(path), tmp_path / "out")


def test_texts_without_an_empty_line_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.corpora.text_sources.MAX_DOCUMENT_LENGTH", 1000)
    (tmp_path / "a.txt").write_text("a line\n" * 1000)
    with pytest.raises(ValueError, match="a.txt: a text of more than 1000 bytes; put empty lines between texts"):
        list(TextFiles(tmp_path))


def test_deep_json_and_wrong_types_in_a_prepared_corpus_are_one_line(tmp_path):
    for content in ("[" * 100_000, "[]", '{"type": "MonoCut"}', '{"duration": {}}', "3", '"a"'):
        with gzip.open(tmp_path / "train.jsonl.gz", "wt") as file:
            file.write(content + "\n")
        for read in (lambda: list(read_cuts(tmp_path, "train")), lambda: CutTable(tmp_path, "train")[0]):
            with pytest.raises(ValueError, match="train.jsonl.gz"):
                read()


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b'{"duration": 1.0}\n' * 10_000)[:-12]])
def test_a_prepared_corpus_that_cannot_be_decompressed_is_one_line(content, tmp_path):
    (tmp_path / "train.jsonl.gz").write_bytes(content)
    for read in (lambda: list(read_cuts(tmp_path, "train")), lambda: len(CutTable(tmp_path, "train"))):
        with pytest.raises(ValueError, match="train.jsonl.gz"):
            read()


@pytest.mark.parametrize("start", ["now", -5.0, 1e9, float("nan")])
def test_starts_that_are_no_seconds_are_refused(start):
    cut = cut_of(recording("a.wav"))
    cut.start = start
    with pytest.raises(UnsafeSourceError, match="cut a: starts at"):
        check_sources(cut)


def test_a_supervision_outside_of_its_cut_is_one_line():
    cut = cut_of(recording("a.wav", seconds=4.0), num_supervisions=2)
    cut.supervisions[1].start = 1e9
    with pytest.raises(ValueError, match="cut a: its supervision a1 lies outside"):
        list(split_utterances([cut]))


def test_a_cut_of_many_supervisions_is_split_in_linear_time():
    cut = cut_of(recording("a.wav", seconds=3000.0), num_supervisions=3000)
    started = time.perf_counter()
    utterances = list(split_utterances([cut]))
    assert time.perf_counter() - started < 5
    assert [utterance.id for utterance in utterances] == [segment.id for segment in cut.supervisions]
    assert [(u.start, u.duration) for u in utterances[:3]] == [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]
    assert all(len(utterance.supervisions) == 1 for utterance in utterances)


def test_splitting_equals_that_of_lhotse():
    cut = cut_of(recording("a.wav", seconds=10.0), num_supervisions=7)
    cut.supervisions[2].start -= 0.3  # overlaps
    expected = cut.trim_to_supervisions(keep_overlapping=False)
    for utterance, wanted in zip(split_utterances([cut]), expected, strict=True):
        assert (utterance.start, utterance.duration) == (wanted.start, wanted.duration)
        assert utterance.supervisions == wanted.supervisions


TRANSFORMS = {
    "Resample": [Resample(16001, 16000).to_dict()],
    "Speed": [Speed(1.00007).to_dict()],
    "many": [Speed(1.1).to_dict()] * 100,
    "DereverbWPE": [DereverbWPE(taps=10_000_000).to_dict()],
    "huge": [Resample(10**12, 16000).to_dict()],
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_that_cost_without_end_are_refused(name):
    cut = cut_of(recording("a.wav", transforms=TRANSFORMS[name]))
    with pytest.raises(UnsafeSourceError, match="cut a: .*CutSet.save_audios"):
        check_sources(cut)
    with pytest.raises(UnsafeSourceError):
        check_sources(cut_of(recording("b.wav"), id="b").mix(cut))


def test_ordinary_transforms_are_read(make, tmp_path):
    cut = cut_of(recording(make.sound(tmp_path / "a.wav"))).perturb_speed(1.1).perturb_volume(0.5).resample(8000)
    assert len(load_waveform(cut)) == pytest.approx(6400 / 1.1, abs=20)


def test_lengths_and_rates_of_no_recording_are_refused():
    for bad in (recording("a.wav", seconds=1e7), recording("a.wav", seconds=4.0, rate=1)):
        with pytest.raises(UnsafeSourceError, match="cut a"):
            check_sources(cut_of(bad))


@pytest.fixture
def server(make, tmp_path):
    """Address of a server of one audio file, and the paths that it was asked for."""
    content = make.sound(tmp_path / "served.wav").read_bytes()
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200 if self.path.startswith("/good") else 404)
            self.end_headers()
            self.wfile.write(content if self.path.startswith("/good") else b"")

        def log_message(self, *arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", asked
    running.shutdown()


def remote_cut(address, id):
    source = AudioSource("url", [0], address)
    return cut_of(Recording("r", [source], 16000, 6400, 0.4), id=id)


def test_remote_audio_is_downloaded_by_the_corpus_stage_and_never_read_later(server, tmp_path):
    address, asked = server
    with pytest.raises(AudioError, match="allow_remote=true"):
        load_waveform(remote_cut(f"{address}/good.wav", "a"))
    assert asked == []
    cuts = [remote_cut(f"{address}/good{number}.wav", f"u{number}") for number in range(5)]
    CutSet.from_cuts([*cuts, remote_cut(f"{address}/missing.wav", "u9")]).to_jsonl(tmp_path / "cuts_train.jsonl")
    with pytest.raises(ValueError, match="allow_remote=true"):
        prepare(LhotseCorpus(tmp_path / "cuts_train.jsonl"), tmp_path / "refused")
    assert asked == []
    prepare(LhotseCorpus(tmp_path / "cuts_train.jsonl", allow_remote=True), tmp_path / "out", max_bad_share=0.5)
    assert sorted({path for path in asked if "good" in path}) == [f"/good{number}.wav" for number in range(5)]
    assert len([path for path in asked if "good" in path]) == 5  # once each
    asked.clear()
    prepared = [*read_cuts(tmp_path / "out", "train"), *read_cuts(tmp_path / "out", "dev")]
    assert len(prepared) == 5 and all(len(load_waveform(cut)) == 6400 for cut in prepared)
    assert asked == []
    skipped = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    assert len(skipped) == 1 and "cannot be downloaded: HTTP Error 404" in skipped[0]["reason"]
