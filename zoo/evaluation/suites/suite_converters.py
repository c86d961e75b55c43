"""Converters of public likelihood suites from their own layouts to the table format of ``load_contrasts``.

Layouts follow the documentation of their authors: ZeroSpeech 2021 (sWUGGY in ``lexical``, sBLIMP in ``syntactic``:
``gold.csv`` beside the recordings), the StoryCloze CSV of Mostafazadeh et al. 2016, and the spoken StoryCloze of
Hassid et al. 2023, whose recordings of complete stories end in ``_correct`` and ``_incorrect``.
"""

import csv
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.files import write_text

SuiteRow = dict[str, Any]
STORY_COLUMNS = [f"InputSentence{number}" for number in range(1, 5)]
ENDING_COLUMNS = ["RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"]


def convert_swuggy(folder: Path) -> list[SuiteRow]:
    """Convert sWUGGY: each real word against each nonsense word derived from it, in the same voice.

    The group is ``out of vocabulary`` where ``frequency`` is ``oov``, otherwise ``in vocabulary``.

    Args:
        folder: Folder such as ``lexical/dev``, with the recordings and ``gold.csv``, whose columns are ``id``,
            ``filename``, ``voice``, ``frequency``, ``word`` and ``correct``.
    """

    def vocabulary_group(row: dict[str, str]) -> str:
        is_unknown = (row.get("frequency") or "").lower() == "oov"
        return "out of vocabulary" if is_unknown else "in vocabulary"

    gold = _read_csv(folder / "gold.csv", ("id", "filename", "voice", "word", "correct"))
    return list(_pair_rows(gold, "word", vocabulary_group, folder))


def convert_sblimp(folder: Path) -> list[SuiteRow]:
    """Convert sBLIMP: each grammatical sentence against its ungrammatical version, in the same voice.

    The group is the linguistic phenomenon.

    Args:
        folder: Folder such as ``syntactic/dev``, with the recordings and ``gold.csv``, whose columns are ``id``,
            ``filename``, ``voice``, ``type``, ``transcription`` and ``correct``.
    """
    gold = _read_csv(folder / "gold.csv", ("id", "filename", "voice", "type", "transcription", "correct"))
    return list(_pair_rows(gold, "transcription", lambda row: row["type"], folder))


def convert_story_cloze(table: Path) -> list[SuiteRow]:
    """Convert StoryCloze: four sentences and two endings, as text.

    Args:
        table: CSV with the columns ``InputStoryid``, ``InputSentence1`` to ``InputSentence4``,
            ``RandomFifthSentenceQuiz1``, ``RandomFifthSentenceQuiz2`` and ``AnswerRightEnding``.
    """
    columns = ("InputStoryid", *STORY_COLUMNS, *ENDING_COLUMNS, "AnswerRightEnding")
    suite_rows = []
    for number, row in enumerate(_read_csv(table, columns), 2):
        if row["AnswerRightEnding"] not in ("1", "2"):
            raise ValueError(f"{table}:{number}: AnswerRightEnding {row['AnswerRightEnding']!r}; expected 1 or 2")
        right = int(row["AnswerRightEnding"]) - 1
        suite_row = {
            "id": row["InputStoryid"],
            "prompt": {"text": " ".join(row[name] for name in STORY_COLUMNS)},
            "right": {"text": row[ENDING_COLUMNS[right]]},
            "wrong": {"text": row[ENDING_COLUMNS[1 - right]]},
        }
        suite_rows.append(suite_row)
    return suite_rows


def convert_spoken_story_cloze(folder: Path) -> list[SuiteRow]:
    """Convert the spoken StoryCloze: complete stories, ``NAME_correct`` against ``NAME_incorrect``.

    Args:
        folder: Folder with the recordings, at any depth.
    """
    recordings = {}
    for path in _find_recordings(folder):
        recordings[path.relative_to(folder).with_suffix("").as_posix()] = _relative(path, folder)
    rows = []
    for name, audio in recordings.items():
        story = name.removesuffix("_correct")
        wrong_audio = recordings.get(f"{story}_incorrect")
        if name.endswith("_correct") and wrong_audio is not None:
            rows.append({"id": story, "right": {"audio": audio}, "wrong": {"audio": wrong_audio}})
    if not rows:
        raise ValueError(f"{folder}: no recordings named NAME_correct and NAME_incorrect")
    return rows


CONVERTERS = {
    "swuggy": convert_swuggy,
    "sblimp": convert_sblimp,
    "story_cloze": convert_story_cloze,
    "spoken_story_cloze": convert_spoken_story_cloze,
}


def write_suite(rows: Sequence[SuiteRow], audio: Path, table: Path) -> None:
    """Write converted rows as a suite table; the paths of recordings become relative to the table.

    Args:
        rows: Rows returned by a converter.
        audio: Folder that the paths of recordings are relative to.
        table: JSON Lines file to write.
    """
    base = os.path.relpath(audio.resolve(), table.parent.resolve())
    lines = []
    for row in rows:
        rebased_row = {key: _rebase(entry, base) for key, entry in row.items()}
        lines.append(json.dumps(rebased_row, ensure_ascii=False) + "\n")
    write_text(table, "".join(lines))


def _rebase(entry: Any, base: str) -> Any:
    """Make the audio path of an entry relative to the table; other values of a row are returned as they are."""
    if isinstance(entry, dict) and "audio" in entry:
        return {**entry, "audio": Path(base, entry["audio"]).as_posix()}
    return entry


def _read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the rows of a file of comma-, semicolon- or tab-separated values.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a column is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no {path.name} in {path.parent}: name the folder or file of the data set in its original layout"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            present = ", ".join(reader.fieldnames or ["none"])
            raise ValueError(f"{path}: missing the columns {', '.join(missing)}; it has {present}")
        return list(reader)


@dataclass
class _GoldItem:
    """Rows of ``gold.csv`` with the same id and voice."""

    right: list[dict[str, str]] = field(default_factory=list)
    wrong: list[dict[str, str]] = field(default_factory=list)


def _pair_rows(
    gold: Sequence[dict[str, str]], text_column: str, group: Callable[[dict[str, str]], str], folder: Path
) -> Iterator[SuiteRow]:
    """Yield each correct row of ``gold.csv`` against each incorrect one of the same id and voice."""
    audio = {path.stem: _relative(path, folder) for path in _find_recordings(folder)}
    items: dict[tuple[str, str], _GoldItem] = defaultdict(_GoldItem)
    for number, row in enumerate(gold, 2):
        if row["correct"] not in ("0", "1"):
            raise ValueError(f"{folder / 'gold.csv'}:{number}: correct {row['correct']!r}; expected 0 or 1")
        item = items[row["id"], row["voice"]]
        side = item.right if row["correct"] == "1" else item.wrong
        side.append(row)
    for (id, voice), item in items.items():
        for number, (right, wrong) in enumerate(product(item.right, item.wrong)):
            yield {
                "id": f"{id}_{voice}_{number}" if number else f"{id}_{voice}",
                "group": group(right),
                "right": _make_entry(right, text_column, audio, folder),
                "wrong": _make_entry(wrong, text_column, audio, folder),
            }


def _make_entry(row: dict[str, str], text_column: str, audio: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the suite entry of a row of ``gold.csv``."""
    stem = Path(row["filename"]).stem
    if stem not in audio:
        raise FileNotFoundError(f"{folder / 'gold.csv'}: no recording named {row['filename']} in {folder}")
    return {"text": row[text_column], "audio": audio[stem]}


def _find_recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
