"""The synthetic demo corpus on which all recipes can be tried; its speech is synthesized, not recorded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval

from zoo import files
from zoo.corpora.demo_plan import CorpusPlan, plan_corpus
from zoo.corpora.demo_speech import Line, synthesize_all
from zoo.corpora.demo_stories import find_grammar
from zoo.corpora.demo_suites import ClozeItem, Suites
from zoo.corpora.source import Items
from zoo.corpora.table_corpus import TableCorpus
from zoo.files import read_json
from zoo.ranges import NONEMPTY, NumProcesses, Seed, check_ranges

MARKER = "demo.json"

Row = dict[str, Any]


@dataclass(frozen=True)
class DemoCorpus:
    """Stories from a small grammar, synthesized by espeak-ng with acted styles, and suites to evaluate models on.

    Train, dev and test have different speakers and different stories. The same arguments give bit-identical files,
    whatever ``num_processes``.

    Args:
        hours: Approximate hours of speech in train, dev and test together, divided equally among the languages.
        seed: Seed of the choice of stories, speakers and styles.
        languages: Languages to synthesize, any of ``en``, ``de`` and ``es``; each has its own speakers.
        num_cloze: Number of items in the story cloze of each language.
        num_suite: Approximate number of items in each of the other suites; 0 for none.
        num_processes: Number of processes that synthesize.

    Raises:
        ValueError: A number is too small, or a language has no grammar.
    """

    hours: Annotated[float, Interval(gt=0, le=1000)] = 1.5
    seed: Seed = 0
    languages: Annotated[tuple[Literal["en", "de", "es"], ...], NONEMPTY] = ("en",)
    num_cloze: Annotated[int, Interval(ge=0, le=10_000)] = 200
    num_suite: Annotated[int, Interval(ge=0, le=10_000)] = 0
    num_processes: NumProcesses = 2

    def __post_init__(self) -> None:
        if not self.languages:
            raise ValueError("languages: none; want at least one, such as ['en']")
        for language in self.languages:
            find_grammar(language)
        check_ranges(self)

    @property
    def synthetic(self) -> bool:
        return True

    @property
    def description(self) -> str:
        return f"demo corpus: stories, synthesized by espeak-ng ({', '.join(self.languages)})"

    def splits(self, folder: Path) -> dict[str, Items]:
        """Synthesize the corpus into ``folder / "demo"`` if it is not there, and return its splits."""
        self.write(folder / "demo")
        return TableCorpus(folder / "demo").splits(folder)

    def write(self, folder: Path) -> None:
        """Write ``audio/``, ``train.jsonl``, ``dev.jsonl``, ``test.jsonl``, ``suites/`` and, last, ``demo.json``.

        The suites of the first language are ``suites/story_cloze.jsonl`` and so on, those of others have the language
        in their names: ``suites/story_cloze_de.jsonl``. An interrupted run starts again from the beginning.

        Args:
            folder: Folder of the corpus, made if needed.

        Raises:
            ValueError: The folder holds a demo corpus that was made with other arguments.
        """
        description = {
            "synthetic": True,
            "speech": "espeak-ng",
            "text": "a story grammar",
            "arguments": self._arguments(),
        }
        if _is_complete(folder / MARKER, description):
            return
        plan = self.plan()
        rows = synthesize_all(plan.lines, folder, self.num_processes)
        for split, lines in plan.splits.items():
            _write_table(folder / f"{split}.jsonl", [rows[line] for line in lines])
        for language, items in plan.cloze.items():
            path = folder / "suites" / f"story_cloze{self._suffix(language)}.jsonl"
            _write_table(path, [_cloze_row(item, rows) for item in items])
        for language, suites in plan.suites.items():
            _write_suites(folder / "suites", suites, self._suffix(language), rows)
        files.write_text(folder / MARKER, json.dumps(description, indent=2) + "\n")

    def plan(self) -> CorpusPlan:
        """Return the utterances of the corpus and its suites."""
        return plan_corpus(self.hours, self.seed, self.languages, self.num_cloze, self.num_suite)

    def _suffix(self, language: str) -> str:
        """Return the suffix of the file names of a language's suites; empty for the first language."""
        return "" if language == self.languages[0] else f"_{language}"

    def _arguments(self) -> dict[str, Any]:
        return {
            "hours": self.hours,
            "seed": self.seed,
            "languages": list(self.languages),
            "num_cloze": self.num_cloze,
            "num_suite": self.num_suite,
        }


def _cloze_row(item: ClozeItem, rows: dict[Line, Row]) -> Row:
    return {
        "id": item.id,
        "topic": item.topic,
        "language": item.prompt.language,
        "speaker": item.prompt.speaker,
        "style": item.prompt.style,
        "synthetic": True,
        "prompt": _speech_of(item.prompt, rows),
        "right": _speech_of(item.right, rows),
        "wrong": _speech_of(item.wrong, rows),
    }


def _write_suites(folder: Path, suites: Suites, suffix: str, rows: dict[Line, Row]) -> None:
    for name, items in suites.tables.items():
        table = [{**_suite_row(item, rows), "synthetic": True} for item in items]
        _write_table(folder / f"{name}{suffix}.jsonl", table)
    for name, content in suites.lists.items():
        if isinstance(content, list):
            files.write_text(folder / f"{name}{suffix}.txt", "".join(f"{word}\n" for word in content))
        else:
            files.write_text(folder / f"{name}{suffix}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _suite_row(item: Row, rows: dict[Line, Row]) -> Row:
    """Return an item with the synthesized speech of its lines; that of its ``utterance`` becomes part of the row."""
    row: Row = {}
    for key, value in item.items():
        if key == "utterance":
            row |= _speech_of(value, rows)
        elif isinstance(value, Line):
            row[key] = _speech_of(value, rows)
        elif isinstance(value, list):
            row[key] = [_speech_of(part, rows) if isinstance(part, Line) else part for part in value]
        else:
            row[key] = value
    return row


def _speech_of(line: Line, rows: dict[Line, Row]) -> Row:
    """Return the synthesized speech of a line, with its audio path relative to the folder of the suites."""
    row = rows[line]
    return {
        "text": row["text"],
        "duration": row["duration"],
        "words": row["words"],
        "audio": row["audio"].removeprefix("suites/"),
    }


def _is_complete(marker: Path, description: dict[str, Any]) -> bool:
    """Return whether a folder holds the corpus of a description.

    Raises:
        ValueError: It holds another one.
    """
    if not marker.is_file():
        return False
    existing = read_json(marker)
    if existing != description:
        raise ValueError(
            f"{marker}: made with {existing.get('arguments')}, now asked for {description['arguments']}; "
            f"delete {marker.parent} or write elsewhere"
        )
    return True


def _write_table(path: Path, rows: list[Row]) -> None:
    files.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
