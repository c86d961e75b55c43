"""One bad row is one bad row: it is listed with its file, line and reason, and all others are used."""

import gzip
import json
import os
import re

import numpy as np
import pytest
import soundfile

from recipes.stages.corpus import prepare_corpus
from zoo.corpora import TableCorpus, open_corpus, read_cuts, text_lines, to_utterance
from zoo.corpora.text_sources import TextFiles

NUM_GOOD = 30
BAD_AFTER = 10  # good rows before the bad one
SURROGATE = "\\ud83d"


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    for number in range(NUM_GOOD + 1):
        soundfile.write(folder / f"{number}.wav", 0.1 * np.random.default_rng(number).standard_normal(4000), 8000)
    return folder


def json_rows(audio, bad: str) -> list[str]:
    rows = [json.dumps({"audio": f"{audio}/{number}.wav", "text": "a b"}) for number in range(NUM_GOOD)]
    return [*rows[:BAD_AFTER], "", bad, *rows[BAD_AFTER:]]


def cell_rows(audio, bad: str, delimiter: str) -> list[str]:
    rows = [f"{audio}/{number}.wav{delimiter}a b{delimiter}" for number in range(NUM_GOOD)]
    return [f"audio{delimiter}text{delimiter}duration", *rows[:BAD_AFTER], "", bad, *rows[BAD_AFTER:]]


def prepared(tmp_path, path, max_bad_share=0.05):
    facts = prepare_corpus(tmp_path / "out", open_corpus(path), max_bad_share)
    skipped = [json.loads(line) for line in (tmp_path / "out" / "skipped.jsonl").read_text().splitlines()]
    cuts = [cut for split in ("train", "dev") for cut in read_cuts(tmp_path / "out", split)]
    return facts, skipped, [to_utterance(cut) for cut in cuts]


@pytest.mark.parametrize(
    "bad, says",
    [
        ('{"audio": "AUDIO", "text": null}', "no text"),
        ('{"audio": "AUDIO", "text": NaN}', "no text"),
        ('{"audio": "AUDIO"}', "no text"),
        ('{"text": "a"}', "no audio; it has text"),
        ('{"audio": "", "text": "a"}', "no audio"),
        ('{"audio": 5, "text": "a"}', "audio is '5', want text"),
        ('{"audio": ["AUDIO"], "text": "a"}', "audio is"),
        ('{"audio": "AUDIO", "text": 5}', "text is '5', want text"),
        ('{"audio": "AUDIO", "text": ["a"]}', "want text"),
        (
            '{"audio": "AUDIO", "text": "a", "duration": 1%s}'.replace("%s", "0" * 400),
            "duration is a whole number of more than 30",
        ),
        ('{"audio": "AUDIO", "text": "a", "duration": 1%s}'.replace("%s", "0" * 5000), "broken JSON"),
        ('{"audio": "AUDIO", "text": "a", "duration": "long"}', "duration is 'long', want a number of seconds"),
        ('{"audio": "AUDIO", "text": "a", "duration": true}', "duration is True"),
        ('{"audio": "AUDIO", "text": "a", "duration": Infinity}', "duration is infinite"),
        ('{"audio": "AUDIO", "text": "a", "duration": -1}', "duration is -1, want more than 0"),
        ('{"audio": "AUDIO", "text": "a", "duration": 9}', "its duration is 9 s, the file has 0.5 s"),
        ('{"audio": "AUDIO", "text": "a", "start": -1}', "start is -1, want at least 0"),
        ('{"audio": "AUDIO", "text": "a", "start": 7, "duration": 1}', "from 7 to 8 s, but the file has 0.5 s"),
        ('{"audio": "AUDIO", "text": "a", "start": 0.4, "duration": 1}', "from 0.4 to 1.4 s"),
        ('{"audio": "AUDIO", "text": "a", "channel": 1}', "channel 1 of a file with 1 channel(s)"),
        ('{"audio": "AUDIO", "text": "a", "id": {"a": 1}}', "id is"),
        ('{"audio": "AUDIO", "text": "a", "speaker": ["ann"]}', "speaker is"),
        ('{"audio": "AUDIO", "text": "a%s"}'.replace("%s", SURROGATE), "text 'a\\ud83d' has half of a surrogate pair"),
        (
            '{"audio": "AUDIO", "text": "a", "speaker": "%s"}'.replace("%s", SURROGATE),
            "speaker '\\ud83d' has half of a surrogate pair",
        ),
        ('{"audio": "AUDIO", "text": "a", "id": "%s"}'.replace("%s", SURROGATE), "half of a surrogate pair"),
        ('{"audio": "AUDIO", "text": "a", "style": "%s"}'.replace("%s", SURROGATE), "half of a surrogate pair"),
        ('{"audio": "%s.wav", "text": "a"}'.replace("%s", SURROGATE), "half of a surrogate pair"),
        ('{"audio": "AUDIO", "text": "%s"}'.replace("%s", "a" * 200_000), "a text of 200000 characters"),
        ('{"audio": "%s.wav", "text": "a"}'.replace("%s", "a" * 5000), "no such file"),
        ('{"audio": "a\\u0000.wav", "text": "a"}', "no such file"),
        ('{"audio": "AUDIO", "text": "a"', "broken JSON"),
        ('["AUDIO", "a"]', "want one JSON object a line"),
        ("[" * 100_000, "broken JSON (nested too deeply)"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_row_of_json_lines(audio, tmp_path, bad, says):
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(json_rows(audio, bad.replace("AUDIO", f"{audio}/{NUM_GOOD}.wav"))))
    facts, skipped, utterances = prepared(tmp_path, path)
    assert len(utterances) == NUM_GOOD
    assert re.fullmatch(r"train: 1 of \d+ utterances left out", facts["not used"])
    assert [(row["file"], row["line"], row["skipped"]) for row in skipped] == [(str(path), BAD_AFTER + 2, "utterance")]
    assert says in skipped[0]["reason"]


@pytest.mark.parametrize("delimiter, suffix", [("\t", "tsv"), (",", "csv"), (";", "csv")])
@pytest.mark.parametrize(
    "bad, says",
    [
        ("AUDIO|a|b|0.5|", "5 cells, want 3"),
        ("AUDIO", "1 cell(s), want 3"),
        ("AUDIO|a|long", "duration is 'long'"),
        ("AUDIO|%s|".replace("%s", "a" * 140_000), "a text of 140000 characters"),
        ('AUDIO|"%s"|'.replace("%s", "a" * 140_000), "characters, want at most"),
        ("|a|", "no audio"),
        ("nowhere.wav|a|", "no such file"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_row_of_delimited_text(audio, tmp_path, delimiter, suffix, bad, says):
    path = tmp_path / f"all.{suffix}"
    bad = bad.replace("AUDIO", f"{audio}/{NUM_GOOD}.wav").replace("|", delimiter)
    path.write_text("\n".join(cell_rows(audio, bad, delimiter)))
    _, skipped, utterances = prepared(tmp_path, path)
    assert len(utterances) == NUM_GOOD
    assert [(row["line"], row["skipped"]) for row in skipped] == [(BAD_AFTER + 3, "utterance")]
    assert says in skipped[0]["reason"]


def test_a_quote_that_is_never_closed_is_one_bad_row(audio, tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("\n".join(cell_rows(audio, f'{audio}/{NUM_GOOD}.wav,"a b', ",")))
    _, skipped, utterances = prepared(tmp_path, path)
    assert len(utterances) == NUM_GOOD
    assert skipped[0]["line"] == BAD_AFTER + 3 and "a quote is never closed" in skipped[0]["reason"]


@pytest.mark.parametrize("delimiter, suffix", [("\t", "tsv"), (",", "csv"), ("|", "csv")])
@pytest.mark.parametrize(
    "cell, text",
    [
        ('"so ""three"" four"', 'so "three" four'),
        ('"one\ntwo"', "one two"),
        ('"DELIMITER"', "DELIMITER"),
        ('say "hi" twice', 'say "hi" twice'),
        ('"', '"'),
    ],
)
def test_quotes_are_undone_as_csv_writers_set_them(audio, tmp_path, delimiter, suffix, cell, text):
    if cell == '"' and delimiter == ",":
        pytest.skip("in a comma-separated file a single quote is an open one")
    path = tmp_path / f"all.{suffix}"
    cell = cell.replace("DELIMITER", delimiter)
    path.write_text("\n".join(cell_rows(audio, f"{audio}/{NUM_GOOD}.wav{delimiter}{cell}{delimiter}", delimiter)))
    _, skipped, utterances = prepared(tmp_path, path)
    assert skipped == []
    assert sorted({utterance.text for utterance in utterances}) == sorted(
        {"a b", " ".join(text.replace("DELIMITER", delimiter).split())}
    )


def test_lines_are_numbered_as_editors_number_them_after_quoted_line_ends(audio, tmp_path):
    path = tmp_path / "all.csv"
    rows = [f'{audio}/{number}.wav,"a\nb",' for number in range(NUM_GOOD)]
    path.write_text("\n".join(["audio,text,duration", *rows, "nowhere.wav,a,"]))
    _, skipped, _ = prepared(tmp_path, path)
    assert [row["line"] for row in skipped] == [2 * NUM_GOOD + 2]


@pytest.mark.parametrize("value", ["NaN", "null", '""', '"nan"', '"NaN"', '"None"', '"<NA>"'])
def test_missing_speakers_and_styles_are_no_names(audio, tmp_path, value):
    rows = []
    for number in range(NUM_GOOD):
        labels = f'"speaker": {value}, "style": {value}, "language": {value}, "duration": {value}, "id": {value}'
        rows.append(f'{{"audio": "{audio}/{number}.wav", "text": "a", {labels}}}')
    (tmp_path / "all.jsonl").write_text("\n".join(rows))
    _, skipped, utterances = prepared(tmp_path, tmp_path / "all.jsonl")
    assert skipped == []
    assert {(utterance.speaker, utterance.style, utterance.language) for utterance in utterances} == {
        ("unknown", None, "en")
    }
    assert len({utterance.id for utterance in utterances}) == NUM_GOOD


@pytest.mark.parametrize(
    "words, want",
    [
        ("[['a', 0.0, 0.21], ['b', 0.18, 0.4]]", (("a", 0.0, 0.195), ("b", 0.195, 0.4))),
        ("[['a', 0.1, 0.1], ['b', 0.2, 0.4]]", (("a", 0.1, 0.12), ("b", 0.2, 0.4))),
        ("[['a', 0.1, 0.2], ['b', 0.2, 0.2], ['c', 0.21, 0.3]]", (("a", 0.1, 0.2), ("b", 0.2, 0.21), ("c", 0.21, 0.3))),
        ("[['', 0.0, 0.1], ['a', 0.1, 0.2], ['<eps>', 0.2, 0.3], ['b', 0.3, 0.5]]", (("a", 0.1, 0.2), ("b", 0.3, 0.5))),
        ("[['a', 0.1, 0.2], ['b', NaN, NaN], ['c', 0.4, 0.5]]", (("a", 0.1, 0.2), ("b", 0.2, 0.4), ("c", 0.4, 0.5))),
        ("[['a', 0.1, 0.2], ['b', null, 0.4], ['c', 0.4, 0.5]]", (("a", 0.1, 0.2), ("b", 0.2, 0.4), ("c", 0.4, 0.5))),
        ("[['a', -0.04, 0.2], ['b', 0.3, 0.54]]", (("a", 0.0, 0.2), ("b", 0.3, 0.5))),
        ("[{'word': 'a', 'start': 0.1, 'end': 0.2}]", (("a", 0.1, 0.2),)),
        ("null", None),
        ("NaN", None),
    ],
)
def test_word_times_are_repaired_where_that_is_safe(audio, tmp_path, words, want):
    row = f'{{"audio": "{audio}/{NUM_GOOD}.wav", "text": "a b", "id": "x", "words": {words.replace(chr(39), chr(34))}}}'
    (tmp_path / "all.jsonl").write_text("\n".join(json_rows(audio, row)))
    _, skipped, utterances = prepared(tmp_path, tmp_path / "all.jsonl")
    assert skipped == [] and len(utterances) == NUM_GOOD + 1
    words_of_row = next(utterance.words for utterance in utterances if utterance.id == "x")
    if want is None:
        assert words_of_row is None
    else:
        assert [word for word, _, _ in words_of_row] == [word for word, _, _ in want]
        times = [time for _, start, end in words_of_row for time in (start, end)]
        assert times == pytest.approx([time for _, start, end in want for time in (start, end)])


@pytest.mark.parametrize(
    "words, says",
    [
        ("[['a', 0.0, 0.3], ['b', 0.2, 0.4]]", "words: 'b' at 0.2 s begins before the one before it ends, at 0.3 s"),
        ("[['a', 0.3, 0.4], ['b', 0.1, 0.2]]", "words: 'b' at 0.1 s begins before"),
        ("[['a', 0.0, 9.0]]", "words: 'a' at 0-9 s is outside the audio of 0.5 s"),
        ("[['a', 0.3, 0.1]]", "ends before it starts"),
        ("[['a', 0.0, Infinity]]", "words: a time is infinite"),
        ("[['a', 0.0, 1%s]]".replace("%s", "0" * 400), "words: want [[word, start_seconds, end_seconds], ...]"),
        ("[['a', null, null]]", "words: 2 of 2 times are missing"),
        ("[['a', 0.1]]", "words: want [[word, start_seconds"),
        ("[['a', 'early', 'late']]", "words: want [[word, start_seconds"),
        ("[[5, 0.0, 0.1]]", "words: want [[word, start_seconds"),
        ("'one two'", "words: not valid JSON"),
        ("7", "words: want [[word, start_seconds"),
        ("[['%s', 0.0, 0.1]]".replace("%s", SURROGATE), "words: a label has half of a surrogate pair"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_of_wrong_word_times_only_the_times_are_dropped(audio, tmp_path, words, says):
    row = f'{{"audio": "{audio}/{NUM_GOOD}.wav", "text": "a b", "id": "x", "words": {words.replace(chr(39), chr(34))}}}'
    (tmp_path / "all.jsonl").write_text("\n".join(json_rows(audio, row)))
    facts, skipped, utterances = prepared(tmp_path, tmp_path / "all.jsonl")
    assert len(utterances) == NUM_GOOD + 1
    assert next(utterance.words for utterance in utterances if utterance.id == "x") is None
    assert "1 utterances used without their word times" in facts["not used"]
    assert [(row["id"], row["line"], row["skipped"]) for row in skipped] == [("x", BAD_AFTER + 2, "word times")]
    assert says in skipped[0]["reason"]


def test_word_times_of_a_whole_corpus_in_milliseconds_are_an_error(audio, tmp_path):
    rows = []
    for number in range(NUM_GOOD):
        rows.append(json.dumps({"audio": f"{audio}/{number}.wav", "text": "a", "words": [["a", 100, 200]]}))
    (tmp_path / "all.jsonl").write_text("\n".join(rows))
    with pytest.raises(
        ValueError, match="times of 30 of 30 utterances are wrong.*all.jsonl:1: words: 'a' at 100-200 s"
    ):
        prepared(tmp_path, tmp_path / "all.jsonl")


def test_bytes_that_are_no_utf_8_are_told_with_the_encoding(audio, tmp_path):
    path = tmp_path / "all.tsv"
    rows = cell_rows(audio, f"{audio}/{NUM_GOOD}.wav\tcaf\xe9\t", "\t")
    path.write_bytes("\n".join(rows).encode("latin-1"))
    _, skipped, utterances = prepared(tmp_path, path)
    position = path.read_bytes().index(b"\xe9")
    assert len(utterances) == NUM_GOOD and skipped[0]["line"] == BAD_AFTER + 3
    assert f"byte 0xe9 at position {position} is not utf-8; set encoding: latin-1" in skipped[0]["reason"]
    splits = TableCorpus(path, encoding="latin-1").splits(tmp_path)
    assert "café" in {to_utterance(cut).text for items in splits.values() for cut in items}
    with pytest.raises(ValueError, match="encoding: 'latin-one' is no encoding"):
        open_corpus(path, encoding="latin-one")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_byte_order_marks_are_read(audio, tmp_path, encoding):
    path = tmp_path / "all.tsv"
    path.write_text("\n".join(cell_rows(audio, f"{audio}/{NUM_GOOD}.wav\tcafé\t", "\t")), encoding=encoding)
    _, skipped, utterances = prepared(tmp_path, path)
    assert skipped == [] and "café" in {utterance.text for utterance in utterances}


def test_utf_16_without_a_mark_is_told(audio, tmp_path):
    path = tmp_path / "all.tsv"
    path.write_text("\n".join(cell_rows(audio, "", "\t")), encoding="utf-16-le")
    with pytest.raises(ValueError, match="all.tsv: byte 1 is NUL.*set encoding: utf-16-le"):
        open_corpus(path)
    assert len(prepare_corpus(tmp_path / "out", open_corpus(path, encoding="utf-16-le"))) > 0


def test_gzip_that_is_none_or_cut_is_told(audio, tmp_path):
    path = tmp_path / "all.jsonl.gz"
    content = "\n".join(json_rows(audio, "")).encode()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="all.jsonl.gz: not gzipped, though its name ends in .gz"):
        prepared(tmp_path, path)
    packed = gzip.compress(content * 50, 1)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ValueError, match="all.jsonl.gz: damaged or cut gzip file, readable up to line"):
        prepared(tmp_path, path)
    path.write_bytes(packed[:200] + b"\0" * 50 + packed[250:])
    with pytest.raises(ValueError, match="all.jsonl.gz: damaged or cut gzip file"):
        prepared(tmp_path, path)


def test_pipes_and_devices_are_told(tmp_path):
    os.mkfifo(tmp_path / "all.tsv")
    with pytest.raises(ValueError, match="all.tsv is not a regular file"):
        open_corpus(tmp_path / "all.tsv")
    with pytest.raises(ValueError, match="/dev/zero is not a regular file"):
        open_corpus("/dev/zero")


def test_rows_of_one_file_without_ids_are_told(audio, tmp_path):
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join([json.dumps({"audio": f"{audio}/0.wav", "text": "a"})] * 8))
    with pytest.raises(
        ValueError, match="all 8 utterances have the same id.*; add a column id, and start and duration"
    ):
        prepared(tmp_path, path)
    path.write_text("\n".join(json_rows(audio, json.dumps({"audio": f"{audio}/0.wav", "text": "b"}))))
    _, skipped, utterances = prepared(tmp_path, path)
    assert len(utterances) == NUM_GOOD and skipped[0]["line"] in (1, BAD_AFTER + 2)
    assert "occurs twice; so does its audio: parts of one file need start and duration, or ids" in skipped[0]["reason"]


def test_a_line_without_end_is_one_bad_row(audio, tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(json_rows(audio, '{"audio": "%s"}'.replace("%s", "a" * 5000))))
    _, skipped, utterances = prepared(tmp_path, path)
    assert len(utterances) == NUM_GOOD
    assert skipped[0]["line"] == BAD_AFTER + 2 and "longer than 1000 bytes, it has 5014" in skipped[0]["reason"]


def test_too_many_bad_rows_are_an_error_with_the_first(audio, tmp_path):
    path = tmp_path / "all.tsv"
    path.write_text("\n".join([*cell_rows(audio, "", "\t"), *("nowhere.wav\ta\t" for _ in range(9))]))
    with pytest.raises(ValueError, match=r"9 of \d+ utterances of 'train' are unusable.*all.tsv:34: no such file"):
        prepared(tmp_path, path)


@pytest.mark.parametrize("name", ["a.txt.gz", "a.jsonl.gz"])
def test_damaged_files_of_texts_are_told(tmp_path, name):
    content = b"".join(b'{"text": "%d"}\n' % number for number in range(20_000))
    (tmp_path / name).write_bytes(gzip.compress(content)[:2000])
    with pytest.raises(ValueError, match=f"{name}: damaged or cut gzip file, readable up to line"):
        list(TextFiles(tmp_path))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: not gzipped"):
        list(TextFiles(tmp_path))
    (tmp_path / name).unlink()
    (tmp_path / "b.txt").write_bytes("one\n\ncaf\xe9".encode("latin-1"))
    with pytest.raises(ValueError, match="b.txt, line 3: byte 0xe9 at position 8 is not utf-8; set encoding: latin-1"):
        list(TextFiles(tmp_path))
    assert list(TextFiles(tmp_path, encoding="latin-1")) == ["one\n", "café\n"]
