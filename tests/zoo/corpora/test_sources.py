"""Every way in gives the same utterances, and every mistake one clear line."""

import json

import numpy as np
import pytest
import soundfile
from lhotse import CutSet, Recording, RecordingSet, SupervisionSegment, SupervisionSet

from zoo.corpora import (
    BadItem,
    FolderCorpus,
    LhotseCorpus,
    LhotseRecipe,
    TableCorpus,
    load_waveform,
    open_corpus,
    prepare,
    read_cuts,
    to_cut,
    to_utterance,
)
from zoo.corpora.held_out import UtteranceKey, choose_held_out


def utterances(path, tmp_path):
    return {
        split: sorted((to_utterance(cut) for cut in items), key=lambda u: u.id)
        for split, items in open_corpus(path).splits(tmp_path).items()
    }


def rows_of(make):
    """The folder corpus of the fixture as table rows."""
    root = make.folder_corpus()
    rows = {split: [] for split in ("train", "dev")}
    for split, speaker, name in (("train", "anna", "a.wav"), ("train", "ben", "b.flac"), ("dev", "carl", "c.ogg")):
        rows[split].append(
            {
                "id": f"{speaker}-{name[0]}",
                "audio": str(root / split / speaker / name),
                "text": f"text of {name[0]}",
                "speaker": speaker,
            }
        )
    return root, rows


def test_the_kinds_of_source_agree(make, tmp_path):
    root, rows = rows_of(make)
    want = utterances(root, tmp_path)
    assert [u.speaker for u in want["train"]] == ["anna", "ben"] and want["dev"][0].text == "text of c"
    assert isinstance(open_corpus(root), FolderCorpus)
    for suffix in ("jsonl", "tsv"):
        for split, table in rows.items():
            make.table(f"{split}.{suffix}", table, folder=suffix)
        assert isinstance(open_corpus(tmp_path / suffix), TableCorpus)
        assert utterances(tmp_path / suffix, tmp_path) == want

    (tmp_path / "cuts").mkdir()
    for split, items in open_corpus(root).splits(tmp_path).items():
        CutSet.from_cuts(items).to_file(tmp_path / "cuts" / f"mine_cuts_{split}.jsonl.gz")
    assert isinstance(open_corpus(tmp_path / "cuts"), LhotseCorpus)
    assert utterances(tmp_path / "cuts", tmp_path) == want

    (tmp_path / "pairs").mkdir()
    for split, table in rows.items():
        recordings = [Recording.from_file(row["audio"], row["id"]) for row in table]
        segments = [
            SupervisionSegment(r["id"], r["id"], 0.0, rec.duration, text=r["text"], speaker=r["speaker"], language="en")
            for r, rec in zip(table, recordings, strict=True)
        ]
        RecordingSet.from_recordings(recordings).to_file(tmp_path / "pairs" / f"x_recordings_{split}.jsonl.gz")
        SupervisionSet.from_segments(segments).to_file(tmp_path / "pairs" / f"x_supervisions_{split}.jsonl.gz")
    assert utterances(tmp_path / "pairs", tmp_path) == want

    prepare(open_corpus(root), tmp_path / "prepared")
    assert {split: list(map(to_utterance, read_cuts(tmp_path / "prepared", split))) for split in want} == want
    assert utterances(tmp_path / "prepared", tmp_path) == want


def test_all_columns_of_both_table_kinds(make, tmp_path):
    rows = [make.row(n, duration=0.4, phonemes=[["t", 0.0, 0.1]]) for n in range(4)]
    got = [
        to_utterance(cut)
        for name in ("train.jsonl", "train.tsv")
        for cut in TableCorpus(make.table(name, rows)).splits(tmp_path)["train"]
    ]
    assert got[: len(got) // 2] == got[len(got) // 2 :]
    first = got[0]
    assert first.words == (("two", 0.0, 0.15), ("words", 0.2, 0.4)) and first.phonemes == (("t", 0.0, 0.1),)
    assert (first.style, first.language, first.duration) == ("happy", "en", 0.4)


def test_a_spreadsheet_may_quote_the_words(make, tmp_path):
    row = make.row(0)
    quoted = '"' + json.dumps(row["words"]).replace('"', '""') + '"'
    path = make.table("train.tsv", [row | {"words": quoted}, make.row(1)])
    make.table("dev.tsv", [make.row(2)])
    cut = next(iter(TableCorpus(path.parent).splits(tmp_path)["train"]))
    assert to_utterance(cut).words == (("two", 0.0, 0.15), ("words", 0.2, 0.4))


def test_only_audio_and_text_are_required(make, tmp_path):
    rows = [make.row(n, **dict.fromkeys(("id", "language", "speaker", "style", "words"), "absent")) for n in range(2)]
    splits = open_corpus(make.table("all.jsonl", rows), "pl").splits(tmp_path)
    got = to_utterance(next(iter(splits["train"])))
    assert (got.language, got.speaker, got.style, got.words) == ("pl", "unknown", None, None) and got.id.startswith(
        "audio-u"
    )


def test_long_recordings_become_one_cut_a_supervision(make, tmp_path):
    recording = Recording.from_file(make.sound(tmp_path / "long.wav", 2.0))
    (tmp_path / "m").mkdir()
    RecordingSet.from_recordings([recording]).to_file(tmp_path / "m" / "recordings_train.jsonl.gz")
    SupervisionSet.from_segments(
        [SupervisionSegment(f"s{n}", recording.id, n * 0.5, 0.5, text=f"part {n}") for n in range(4)]
    ).to_file(tmp_path / "m" / "supervisions_train.jsonl.gz")
    splits = LhotseCorpus(tmp_path / "m").splits(tmp_path)
    got = sorted(to_utterance(cut).text for items in splits.values() for cut in items)
    assert got == [f"part {n}" for n in range(4)] and len(list(splits["dev"])) == 1


def test_a_lhotse_recipe_by_name(make, tmp_path):
    for number in range(60):
        make.sound(tmp_path / "yesno" / ("_".join(f"{number:08b}") + ".wav"), 0.05, number)
    splits = LhotseRecipe("yesno", tmp_path / "yesno").splits(tmp_path / "out")
    got = {split: [to_utterance(cut) for cut in items] for split, items in splits.items()}
    assert {split: len(us) for split, us in got.items() if split == "test"} == {"test": 30} and len(got["train"]) + len(
        got["dev"]
    ) == 30
    assert got["test"][0].text.split()[0] == "NO"
    with pytest.raises(ValueError, match="did you mean 'librispeech'"):
        LhotseRecipe("librispech", tmp_path).splits(tmp_path)
    with pytest.raises(ValueError, match="recipe 'yesno' failed"):
        LhotseRecipe("yesno", tmp_path).splits(tmp_path)


def test_dev_is_held_out_by_speakers_and_the_same_every_time(make, tmp_path):
    root = make.folder_corpus(layout=[f"s{speaker}/{n}.wav" for speaker in range(6) for n in range(4)])
    first, second = ({split: [u.id for u in us] for split, us in utterances(root, tmp_path).items()} for _ in range(2))
    assert first == second and sorted(sum(first.values(), [])) == sorted(
        f"s{s}-{n}" for s in range(6) for n in range(4)
    )
    train, dev = ({id.split("-")[0] for id in first[split]} for split in ("train", "dev"))
    assert dev and not train & dev


@pytest.mark.parametrize("count", [2, 3, 10, 400])
def test_with_few_speakers_dev_is_held_out_by_utterances(count):
    keys = [UtteranceKey(f"u{number}", "ann") for number in range(count)]
    is_held_out = choose_held_out(keys, 0.05, "mine")
    num_held_out = sum(map(is_held_out, keys))
    assert 1 <= num_held_out < count
    assert num_held_out <= max(1, 0.12 * count)


@pytest.mark.parametrize(
    "edit, says",
    [
        (lambda row: {k: v for k, v in row.items() if k != "text"}, "train.jsonl:2: no text"),
        (lambda row: {k: v for k, v in row.items() if k != "audio"}, "train.jsonl:2: no audio"),
        (lambda row: [1], "train.jsonl:2: want one JSON object a line"),
    ],
)
def test_a_wrong_table_is_told_by_its_line(make, tmp_path, edit, says):
    path = make.table("train.jsonl", [make.row(0), edit(make.row(1))])
    make.table("dev.jsonl", [make.row(2)])
    with pytest.raises(ValueError) as error:
        prepare(open_corpus(path.parent), tmp_path / "out")
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_misspelled_column_of_text_is_an_error(make, tmp_path):
    row = make.row(0)
    row["txet"] = row.pop("text")
    with pytest.raises(ValueError, match="no column of text among .*columns: {text: txet}"):
        open_corpus(make.table("all.tsv", [row]))
    rows = [make.row(number) | {"txet": make.row(number)["text"], "text": "absent"} for number in range(4)]
    rows = [{key: value for key, value in row.items() if key != "text"} for row in rows]
    splits = TableCorpus(make.table("all.tsv", rows), columns={"text": "txet"}).splits(tmp_path)
    assert to_utterance(next(iter(splits["train"]))).text == "two words"


def test_what_is_no_corpus_says_so(make, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such corpus"):
        open_corpus(tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(FileNotFoundError, match="no corpus, it has nothing; want train.jsonl"):
        open_corpus(tmp_path / "bare")
    for name in ("one.tsv", "two.tsv"):
        (tmp_path / "bare" / name).write_text("audio\ttext\n")
    with pytest.raises(FileNotFoundError, match="it has one.tsv, two.tsv.*to read one.tsv, name that file"):
        open_corpus(tmp_path / "bare")
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(ValueError, match="notes.md: not a corpus"):
        open_corpus(tmp_path / "notes.md")
    for corpus in (FolderCorpus(tmp_path / "bare"), LhotseCorpus(tmp_path / "bare")):
        with pytest.raises((FileNotFoundError, ValueError)):
            corpus.splits(tmp_path)


def test_speech_without_text(make, tmp_path):
    root = make.folder_corpus()
    for path in root.rglob("*.txt"):
        path.unlink()
    assert all(isinstance(item, BadItem) for item in FolderCorpus(root).splits(tmp_path)["train"])
    got = [to_utterance(cut) for cut in FolderCorpus(root, transcripts=False).splits(tmp_path)["train"]]
    assert [u.text for u in got] == ["", ""]


def test_a_cut_without_labels_is_speech_without_text(make, tmp_path):
    cuts = [Recording.from_file(make.sound(tmp_path / f"{n}.wav")).to_cut() for n in range(2)]
    CutSet.from_cuts(cuts).to_file(tmp_path / "all.jsonl.gz")
    got = [
        to_utterance(cut)
        for items in LhotseCorpus(tmp_path / "all.jsonl.gz", "de").splits(tmp_path).values()
        for cut in items
    ]
    assert {(u.text, u.language, u.speaker) for u in got} == {("", "de", "unknown")} and len(got) == 2


def test_stereo_files_are_one_cut_of_all_channels(tmp_path, make):
    root = make.folder_corpus()
    left = np.full(8000, 0.5)
    soundfile.write(root / "train" / "anna" / "a.wav", np.stack([left, 0 * left], axis=1), 16000)
    cut = next(iter(FolderCorpus(root).splits(tmp_path)["train"]))
    assert load_waveform(cut).mean().item() == pytest.approx(0.25, abs=1e-3)
    assert to_utterance(to_cut(to_utterance(cut), cut.recording)) == to_utterance(cut)
