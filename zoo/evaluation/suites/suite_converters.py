"""Public likelihood suites in their own layouts, into the one table format of ``load_contrasts``.

Layouts, as documented by their makers: ZeroSpeech 2021 (sWUGGY in ``lexical``, sBLIMP in ``syntactic``: ``gold.csv`` beside
the recordings), the StoryCloze CSV of Mostafazadeh et al. 2016, and the spoken StoryCloze of Hassid et al. 2023, whose
recordings of whole stories end in ``_correct`` and ``_incorrect``.
"""

import csv
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.files import write_text

Row = dict[str, Any]
STORY = [f"InputSentence{number}" for number in range(1, 5)]
ENDINGS = ["RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2"]


def read_swuggy(folder: Path) -> list[Row]:
    """Each real word against each nonsense word made of it, by the same voice.

    The group is ``out of vocabulary`` where ``frequency`` is ``oov``, else ``in vocabulary``.

    Args:
        folder: Such as ``lexical/dev``, with ``gold.csv`` (``id, filename, voice, frequency, word, correct``) and recordings.
    """
    gold = _table(folder / "gold.csv", ("id", "filename", "voice", "word", "correct"))
    group = lambda row: "out of vocabulary" if str(row.get("frequency", "")).lower() == "oov" else "in vocabulary"
    return list(_pairs(gold, "word", group, folder))


def read_sblimp(folder: Path) -> list[Row]:
    """Each grammatical sentence against its ungrammatical twin, by the same voice; the group is the phenomenon.

    Args:
        folder: Such as ``syntactic/dev``, with ``gold.csv`` (``id, filename, voice, type, transcription, correct``) and recordings.
    """
    gold = _table(folder / "gold.csv", ("id", "filename", "voice", "type", "transcription", "correct"))
    return list(_pairs(gold, "transcription", lambda row: row["type"], folder))


def read_story_cloze(table: Path) -> list[Row]:
    """Four sentences and two endings, as text.

    Args:
        table: CSV with ``InputStoryid``, ``InputSentence1`` to ``4``, ``RandomFifthSentenceQuiz1`` and ``2``, ``AnswerRightEnding``.
    """
    rows = []
    for number, row in enumerate(_table(table, ("InputStoryid", *STORY, *ENDINGS, "AnswerRightEnding")), 2):
        if row["AnswerRightEnding"] not in ("1", "2"):
            raise ValueError(f"{table}:{number}: AnswerRightEnding {row['AnswerRightEnding']!r}; want 1 or 2")
        right = int(row["AnswerRightEnding"]) - 1
        rows.append(
            {
                "id": row["InputStoryid"],
                "prompt": {"text": " ".join(row[name] for name in STORY)},
                "right": {"text": row[ENDINGS[right]]},
                "wrong": {"text": row[ENDINGS[1 - right]]},
            }
        )
    return rows


def read_spoken_story_cloze(folder: Path) -> list[Row]:
    """Whole spoken stories with the right ending against those with a wrong one: ``NAME_correct`` against ``NAME_incorrect``.

    Args:
        folder: With the recordings, at any depth.
    """
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in _recordings(folder)}
    rows = [
        {
            "id": name.removesuffix("_correct"),
            "right": {"audio": _within(path, folder)},
            "wrong": {"audio": _within(found[f"{name.removesuffix('_correct')}_incorrect"], folder)},
        }
        for name, path in found.items()
        if name.endswith("_correct") and f"{name.removesuffix('_correct')}_incorrect" in found
    ]
    if not rows:
        raise ValueError(f"{folder}: no recordings named NAME_correct and NAME_incorrect")
    return rows


READERS = {
    "swuggy": read_swuggy,
    "sblimp": read_sblimp,
    "story_cloze": read_story_cloze,
    "spoken_story_cloze": read_spoken_story_cloze,
}


def write_suite(rows: Sequence[Row], audio: Path, table: Path) -> None:
    """Write rows as a table of contrasts; the paths of recordings become relative to the table.

    Args:
        rows: From a reader.
        audio: Folder that the reader was given.
        table: JSON Lines file to write.
    """
    base = os.path.relpath(audio.resolve(), table.parent.resolve())
    write_text(
        table,
        "".join(
            json.dumps({key: _moved(part, base) for key, part in row.items()}, ensure_ascii=False) + "\n"
            for row in rows
        ),
    )


def _moved(part: Any, base: str) -> Any:
    return (
        {**part, "audio": Path(base, part["audio"]).as_posix()} if isinstance(part, dict) and "audio" in part else part
    )


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV or TSV, or of one with semicolons.

    Raises:
        FileNotFoundError: Without the file.
        ValueError: Where a column is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no {path.name} in {path.parent}: name the folder or file of the data set as its makers lay it out"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise ValueError(
                f"{path}: lacks the columns {', '.join(missing)}; it has {', '.join(reader.fieldnames or ['none'])}"
            )
        return list(reader)


def _pairs(
    gold: Sequence[dict[str, str]], text: str, group: Callable[[dict[str, str]], str], folder: Path
) -> Iterator[Row]:
    audio = {path.stem: _within(path, folder) for path in _recordings(folder)}
    items: dict[tuple[str, str], dict[str, list[dict[str, str]]]] = defaultdict(lambda: {"1": [], "0": []})
    for number, row in enumerate(gold, 2):
        if row["correct"] not in ("0", "1"):
            raise ValueError(f"{folder / 'gold.csv'}:{number}: correct {row['correct']!r}; want 0 or 1")
        items[row["id"], row["voice"]][row["correct"]].append(row)
    for (id, voice), rows in items.items():
        for number, (right, wrong) in enumerate(product(rows["1"], rows["0"])):
            sides = {side: _part(row, text, audio, folder) for side, row in (("right", right), ("wrong", wrong))}
            yield {"id": f"{id}_{voice}_{number}" if number else f"{id}_{voice}", "group": group(right), **sides}


def _part(row: dict[str, str], text: str, audio: dict[str, str], folder: Path) -> dict[str, str]:
    stem = Path(row["filename"]).stem
    if stem not in audio:
        raise FileNotFoundError(f"{folder / 'gold.csv'}: no recording named {row['filename']} in {folder}")
    return {"text": row[text], "audio": audio[stem]}


def _recordings(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)


def _within(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
