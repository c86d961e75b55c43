import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from zoo.corpora import TableCorpus, load_waveform, open_corpus, prepare, read_cuts, to_utterance

REAL = Path(__file__).parents[4] / "shared" / "data"


def skipped(out):
    return {row["id"]: row["reason"] for row in map(json.loads, (out / "skipped.jsonl").read_text().splitlines())}


def test_bad_utterances_are_listed_with_their_reason(make, tmp_path):
    rows = [make.row(n) for n in range(12)]
    folder = tmp_path / "table" / "audio"
    (folder / "u1.wav").unlink()
    (folder / "u2.wav").write_text("not audio")
    soundfile.write(folder / "u3.wav", np.zeros(0), 16000)
    rows[4]["words"] = [["two", 0.0, 0.2], ["words", 0.2, 9.0]]
    rows[5]["words"] = [["two", 0.2, 0.4], ["words", 0.0, 0.2]]
    rows[6]["words"] = [["two", 0.2]]
    rows[7]["duration"] = 3.0
    rows[8]["id"] = "u0"
    rows[9]["words"] = [["two", -0.1, 0.2]]
    rows[10]["words"] = [["two", 0.0, 0.1], ["words", 0.2, 0.41]]
    make.table("train.jsonl", rows)
    path = make.table("dev.jsonl", [make.row(12)])
    summary = prepare(open_corpus(path.parent), tmp_path / "out", max_bad_share=0.9)
    reasons = skipped(tmp_path / "out")
    for id, says in (
        ("u1", "no such file"),
        ("u2", "unreadable"),
        ("u3", "zero length"),
        ("u4", "outside the audio"),
        ("u5", "begins before"),
        ("u6", "words: want [["),
        ("u7", "its duration is 3 s, the file has 0.4 s"),
        ("u0", "occurs twice"),
        ("u9", "outside the audio"),
    ):
        assert says in reasons[id], id
    counts = summary.splits["train"]
    assert len(reasons) == 9 == counts.skipped + counts.times_dropped
    kept = {u.id: u for u in map(to_utterance, read_cuts(tmp_path / "out", "train"))}
    assert sorted(kept) == ["u0", "u10", "u11", "u4", "u5", "u6", "u9"]
    assert [id for id, utterance in kept.items() if utterance.words is None] == ["u4", "u5", "u6", "u9"]
    assert kept["u10"].words[-1] == ("words", 0.2, 0.4)
    facts = json.loads((tmp_path / "out" / "corpus.json").read_text())
    assert facts["synthetic"] is False and facts["splits"]["train"]["utterances"] == 7


def test_samples_are_checked_on_request(make, tmp_path):
    rows = [make.row(n) for n in range(4)]
    folder = tmp_path / "table" / "audio"
    soundfile.write(folder / "u1.wav", np.full(6400, np.nan), 16000, subtype="FLOAT")
    soundfile.write(folder / "u2.wav", np.zeros(6400), 16000)
    make.table("train.jsonl", rows)
    source = TableCorpus(make.table("dev.jsonl", [make.row(4)]).parent)
    prepare(source, tmp_path / "quick")
    assert skipped(tmp_path / "quick") == {}
    prepare(source, tmp_path / "slow", max_bad_share=0.5, check_samples=True)
    assert "NaN" in skipped(tmp_path / "slow")["u1"] and "all samples are equal" in skipped(tmp_path / "slow")["u2"]


def test_too_much_bad_is_an_error_and_leaves_no_manifest(make, tmp_path):
    rows = [make.row(n) for n in range(4)]
    (tmp_path / "table" / "audio" / "u1.wav").unlink()
    make.table("train.jsonl", rows)
    path = make.table("dev.jsonl", [make.row(4)])
    with pytest.raises(
        ValueError, match="1 of 4 utterances of 'train' are unusable.*train.jsonl:2: no such file.*u1.wav"
    ) as error:
        prepare(open_corpus(path.parent), tmp_path / "out")
    assert "\n" not in str(error.value)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["skipped.jsonl"]
    make.table("dev.jsonl", [])
    with pytest.raises(ValueError, match="dev.jsonl: empty"):
        prepare(open_corpus(path.parent), tmp_path / "out", max_bad_share=0.5)


def test_missing_transcripts_are_skipped(make, tmp_path):
    root = make.folder_corpus(layout=[f"train/a/{n}.wav" for n in range(30)] + ["dev/b/x.wav"])
    (root / "train" / "a" / "7.txt").unlink()
    prepare(open_corpus(root), tmp_path / "out")
    assert skipped(tmp_path / "out") == {"a-7": "no transcript beside it (7.normalized.txt, 7.txt, 7.lab, 7.TextGrid)"}


def test_twice_gives_the_same_bytes(make, tmp_path):
    root = make.folder_corpus()
    prepare(open_corpus(root), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    prepare(open_corpus(root), tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_missing_split_names_the_stage(make, tmp_path):
    with pytest.raises(FileNotFoundError, match="run the corpus stage first"):
        read_cuts(tmp_path, "train")
    prepare(open_corpus(make.folder_corpus()), tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="no split 'test'.*it has train, dev"):
        read_cuts(tmp_path / "out", "test")


@pytest.mark.skipif(not REAL.is_dir(), reason="no recorded speech beside the repository")
@pytest.mark.parametrize(
    "name", ["commands_en_strings", "digits_en_a_strings", "read_en", "newlang_de", "words_zh_strings", "emotional_pl"]
)
def test_recorded_corpora(tmp_path, name):
    summary = prepare(open_corpus(REAL / name), tmp_path)
    assert not summary.synthetic and set(summary.splits) == {"train", "dev"}
    assert sum(split.skipped for split in summary.splits.values()) == 0
    lines = (REAL / name / "dev.jsonl").read_text().splitlines()
    got = {u.id: u for u in map(to_utterance, read_cuts(tmp_path, "dev"))}
    assert len(got) == len(lines)
    for row in map(json.loads, lines):
        same = got[row["id"]]
        assert (same.text, same.language, same.speaker, same.style) == tuple(
            row[key] for key in ("text", "language", "speaker", "style")
        )
        assert same.duration == pytest.approx(row["duration"], abs=1e-3)
        assert (same.words is None) == (row["words"] is None)
        for (word, start, end), (want, want_start, want_end) in zip(same.words or (), row["words"] or (), strict=True):
            assert word == want and (start, end) == pytest.approx((want_start, want_end), abs=1e-6)
    first = next(iter(read_cuts(tmp_path, "dev")))
    assert len(load_waveform(first)) == round(first.duration * 16000)
