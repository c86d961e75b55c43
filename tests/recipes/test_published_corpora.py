"""Corpora as they are published: a tiny one of each form is made, read by the corpus stage, and said to be what it is."""

import io

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

from recipes.stages.corpus import prepare_corpus
from tests.recipes.published_forms import FORMS, SECONDS, WORDS, json_lines, lines, moshi, nemo, sounds, table
from zoo.corpora import load_waveform, open_corpus, read_cuts, to_utterance


@pytest.mark.parametrize("make", FORMS, ids=lambda make: make.__name__)
def test_a_corpus_of_each_form_is_read(make, tmp_path, capsys):
    root = tmp_path / "corpus"
    root.mkdir()
    form = make(root)
    facts = prepare_corpus(tmp_path / "out", open_corpus(root))
    assert f"corpus: read as {root}: " in capsys.readouterr().out
    assert form.says in facts["read as"]
    assert "not used" not in facts
    texts = []
    speakers = set()
    for split in form.splits:
        for cut in read_cuts(tmp_path / "out", split):
            utterance = to_utterance(cut)
            texts.append(utterance.text)
            speakers.add(utterance.speaker)
            assert (utterance.words == WORDS) if form.with_words else (utterance.words is None)
            assert len(load_waveform(cut, 8000)) == pytest.approx(8000 * utterance.duration, abs=1)
    assert sorted(texts) == sorted(form.texts)
    assert speakers == set(form.speakers)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jsonl.gz")) == sorted(
        f"{split}.jsonl.gz" for split in form.splits
    )


def test_parts_of_a_recording_are_those_by_their_times(tmp_path):
    (tmp_path / "corpus").mkdir()
    nemo(tmp_path / "corpus")
    prepare_corpus(tmp_path / "out", open_corpus(tmp_path / "corpus"))
    samples, _ = soundfile.read(tmp_path / "corpus" / "long.wav", dtype="float32")
    length = round(8000 * SECONDS)
    for number, cut in enumerate(read_cuts(tmp_path / "out", "train")):
        want = samples[number * length : (number + 1) * length]
        assert np.array_equal(load_waveform(cut, 8000).numpy(), want)


def test_only_the_first_channel_of_a_moshi_manifest_is_read(tmp_path):
    (tmp_path / "corpus").mkdir()
    moshi(tmp_path / "corpus")
    prepare_corpus(tmp_path / "out", open_corpus(tmp_path / "corpus"))
    cut = next(iter(read_cuts(tmp_path / "out", "train")))
    samples, _ = soundfile.read(cut.recording.sources[0].source, dtype="float32")
    assert np.array_equal(load_waveform(cut, 8000).numpy(), samples[:, 0])


def test_commands_of_kaldi_are_not_run(tmp_path):
    lines(tmp_path / "corpus" / "wav.scp", *(f"u{n} touch {tmp_path}/ran |" for n in range(4)))
    lines(tmp_path / "corpus" / "text", *(f"u{n} hello" for n in range(4)))
    with pytest.raises(ValueError, match=r"no usable utterance.*wav.scp:1: a command \('touch .* which is not run"):
        prepare_corpus(tmp_path / "out", open_corpus(tmp_path / "corpus"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "file, content, says",
    [
        (
            "train.json",
            '[{"audio": "0.wav", "text": "a"}]',
            "train.json: one JSON array; want JSON Lines.*jq -c '.\\[\\]'",
        ),
        ("train.json", '{"u1": {"wav": "0.wav", "wrd": "a"}}', "train.json: one JSON object; want JSON Lines.*jq"),
        ("metadata.csv", "a|b\nc|d\n", "metadata.csv: pipe-separated, begins 'a|b': neither a header with a column of"),
        ("train.csv", "file,text\r0.wav,a\r", "train.csv: its lines end in CR alone; convert it: tr"),
        ("metadata.csv", "id,notes\n1,2\n", "metadata.csv: comma-separated, begins 'id,notes': neither a header"),
        ("train/transcripts.txt", "0\ta\n", "transcripts in train/transcripts.txt.*LhotseRecipe, name: mls"),
        ("talk.stm", "0 1 a\n", "transcripts in talk.stm.*LhotseRecipe, name: tedlium"),
        ("all.xml", "<a/>", "audio without transcripts beside it, but with all.xml.*transcripts: false"),
    ],
)
def test_what_is_not_read_is_told_with_a_remedy(tmp_path, file, content, says):
    sounds(tmp_path / "corpus")
    path = tmp_path / "corpus" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(ValueError, match=says) as error:
        open_corpus(tmp_path / "corpus")
    assert "\n" not in str(error.value)


def test_columns_that_are_not_read_are_listed_once(tmp_path):
    names = sounds(tmp_path)
    table(tmp_path / "train.csv", ["file", "text", "age", "speeker"], [[name, "a", 3, "x"] for name in names])
    assert open_corpus(tmp_path).description.endswith("; ignored: age, speeker (did you mean 'speaker'?)")


@pytest.mark.parametrize("strict", [False, True])
def test_splits_that_share_audio_or_speakers_are_warned_of(tmp_path, caplog, strict):
    names = sounds(tmp_path)
    header = ["file", "text", "speaker"]
    rows = [[name, "a", "ann"] for name in names]
    table(tmp_path / "train.csv", header, rows[:5])
    table(tmp_path / "dev.csv", header, rows[4:])
    prepare_corpus(tmp_path / "out", open_corpus(tmp_path), strict=strict)
    messages = [record.message for record in caplog.records]
    assert "train and dev share 1 utterances of audio, such as " + str(tmp_path / names[4]) in messages
    assert ("train and dev share 1 speakers: ann" in messages) == strict


@pytest.mark.parametrize(
    "names, splits",
    [
        (("training", "valid"), ("train", "dev")),
        (("train", "val", "eval"), ("train", "dev", "test")),
        (("train", "eval", "test"), ("train", "dev", "test")),
        (("train_clean_5", "dev-clean-2", "test-other"), ("train", "dev", "test")),
    ],
)
def test_synonyms_of_splits_are_the_same_for_tables_and_folders(tmp_path, names, splits):
    for name in names:
        rows = [{"audio": f"{tmp_path}/folders/{name}/{number}.wav", "text": name} for number in range(2)]
        for path in sounds(tmp_path / "folders" / name, count=2):
            lines((tmp_path / "folders" / name / path).with_suffix(".txt"), name)
        json_lines(tmp_path / "tables" / f"{name}.jsonl", rows)
    for form in ("folders", "tables"):
        prepare_corpus(tmp_path / "out", open_corpus(tmp_path / form))
        for name, split in zip(names, splits, strict=True):
            assert {to_utterance(cut).text for cut in read_cuts(tmp_path / "out", split)} == {name}


def test_parquet_is_read_without_its_audio_being_held(tmp_path):
    """The bytes are written below the stage's folder once, and again only if they change."""
    audio = io.BytesIO()
    soundfile.write(audio, np.full(2400, 0.1), 8000, format="FLAC")
    rows = {"audio": [{"bytes": audio.getvalue(), "path": None}] * 4, "text": ["a", "b", "c", "d"]}
    parquet.write_table(pa.table(rows), tmp_path / "train.parquet")
    prepare_corpus(tmp_path / "out", open_corpus(tmp_path))
    written = sorted((tmp_path / "out" / "audio").rglob("*.flac"))
    times = [path.stat().st_mtime_ns for path in written]
    assert len(written) == 4
    prepare_corpus(tmp_path / "out", open_corpus(tmp_path))
    assert [path.stat().st_mtime_ns for path in written] == times
