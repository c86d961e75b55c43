import csv

import pytest
import torch

from tests.toy_tokens import WORDS, words_vocabulary
from zoo.audio import write
from zoo.evaluation.suites import suite_converters
from zoo.evaluation.suites.contrast_suite import load_contrasts

TONE = torch.sin(torch.arange(800) / 5)


def gold(folder, columns, rows, separator=","):
    folder.mkdir(parents=True)
    with (folder / "gold.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([columns.split(), *rows])
    for row in rows:
        write(folder / f"{row[1]}.wav", TONE, 16000)


@pytest.mark.parametrize("separator", [",", ";"])
def test_swuggy(tmp_path, separator):
    gold(
        tmp_path / "dev",
        "id filename voice frequency word phones length_phone correct",
        [
            (1, "aa", "A", "12", "anna", "a n a", 3, 1),
            (1, "ab", "A", "12", "onna", "o n a", 3, 0),
            (1, "ac", "A", "12", "unna", "u n a", 3, 0),
            (1, "ba", "B", "12", "anna", "a n a", 3, 1),
            (1, "bb", "B", "12", "onna", "o n a", 3, 0),
            (2, "ca", "A", "oov", "tom", "t o m", 3, 1),
            (2, "cb", "A", "oov", "tam", "t a m", 3, 0),
        ],
        separator,
    )
    rows = suite_converters.convert_swuggy(tmp_path / "dev")
    assert [(row["id"], row["group"], row["right"]["text"], row["wrong"]["audio"]) for row in rows] == [
        ("1_A", "in vocabulary", "anna", "ab.wav"),
        ("1_A_1", "in vocabulary", "anna", "ac.wav"),
        ("1_B", "in vocabulary", "anna", "bb.wav"),
        ("2_A", "out of vocabulary", "tom", "cb.wav"),
    ]


def test_sblimp_into_a_table_elsewhere(tmp_path):
    gold(
        tmp_path / "syntactic" / "dev",
        "id filename voice type subtype transcription correct",
        [(7, "x", "A", "agreement", "s", "anna ben", 1), (7, "y", "A", "agreement", "s", "ben anna", 0)],
    )
    rows = suite_converters.convert_sblimp(tmp_path / "syntactic" / "dev")
    suite_converters.write_suite(rows, tmp_path / "syntactic" / "dev", tmp_path / "tables" / "sblimp.jsonl")
    (item,) = load_contrasts(tmp_path / "tables" / "sblimp.jsonl", None, words_vocabulary())
    assert (
        item.group == "agreement"
        and item.prompt is None
        and item.right.text.tolist() == words_vocabulary().text.encode("anna ben")
    )
    line = (tmp_path / "tables" / "sblimp.jsonl").read_text()
    assert '"audio": "../syntactic/dev/y.wav"' in line


def test_story_cloze(tmp_path):
    path = tmp_path / "cloze.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                [
                    "InputStoryid",
                    *suite_converters.STORY_COLUMNS,
                    *suite_converters.ENDING_COLUMNS,
                    "AnswerRightEnding",
                ],
                ["s1", "a.", "b.", "c.", "d.", "one, two", "three", "2"],
                ["s2", "a.", "b.", "c.", "d.", "x", "y", "1"],
            ]
        )
    first, second = suite_converters.convert_story_cloze(path)
    assert first == {
        "id": "s1",
        "prompt": {"text": "a. b. c. d."},
        "right": {"text": "three"},
        "wrong": {"text": "one, two"},
    }
    assert second["right"]["text"] == "x"
    path.write_text(path.read_text().replace(",y,1", ",y,3"))
    with pytest.raises(ValueError, match="cloze.csv:3: AnswerRightEnding '3'; expected 1 or 2"):
        suite_converters.convert_story_cloze(path)


def test_spoken_story_cloze(tmp_path):
    for name in ("a_correct", "a_incorrect", "b_correct"):
        write(tmp_path / f"{name}.wav", TONE, 16000)
    (row,) = suite_converters.convert_spoken_story_cloze(tmp_path)
    assert row == {"id": "a", "right": {"audio": "a_correct.wav"}, "wrong": {"audio": "a_incorrect.wav"}}
    (tmp_path / "a_incorrect.wav").unlink()
    with pytest.raises(ValueError, match="no recordings named NAME_correct and NAME_incorrect"):
        suite_converters.convert_spoken_story_cloze(tmp_path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no gold.csv in"):
        suite_converters.convert_swuggy(tmp_path)
    gold(tmp_path / "dev", "id filename voice frequency word", [(1, "a", "A", "1", WORDS[0])])
    with pytest.raises(ValueError, match="missing the columns correct; it has id, filename"):
        suite_converters.convert_swuggy(tmp_path / "dev")
    gold(tmp_path / "other", "id filename voice word correct", [(1, "a", "A", "anna", 1), (1, "b", "A", "onna", 0)])
    (tmp_path / "other" / "b.wav").unlink()
    with pytest.raises(FileNotFoundError, match="no recording named b in"):
        suite_converters.convert_swuggy(tmp_path / "other")
