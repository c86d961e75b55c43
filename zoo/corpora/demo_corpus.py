"""The synthesized corpus that everything here can be tried on; no person spoke it."""

import hashlib
import json
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from zoo import files
from zoo.corpora.demo_speech import Line, speak_all
from zoo.corpora.demo_stories import Story, grammar, spoken, tell_many, wrong_endings
from zoo.corpora.demo_suites import Suites, make_suites
from zoo.corpora.demo_voices import act, speakers
from zoo.corpora.source import SPLITS, Items
from zoo.corpora.table_corpus import TableCorpus

HELD_OUT_SHARES = {"dev": 0.06, "test": 0.06}
# The mean over voices and styles: how many stories make an hour.
SECONDS_PER_STORY = {"en": 6.9, "de": 7.2, "es": 7.2}
MARKER = "demo.json"


@dataclass(frozen=True)
class ClozeItem:
    """A story without its ending, with the right one and one of another topic, in one voice and mood."""

    id: str
    topic: str
    prompt: Line
    right: Line
    wrong: Line


@dataclass(frozen=True)
class DemoCorpus:
    """Stories from a small grammar, spoken by espeak-ng with acted sentiment_suite, and suites to evaluate models on; all synthetic.

    The speakers of train, dev and test differ, and so do the stories. The same arguments give the same files to the
    bit, whatever ``num_processes``.

    Args:
        hours: Of speech in train, dev and test together, about; shared equally by the languages.
        seed: Of the choice of stories, speakers and styles.
        languages: Of ``en``, ``de`` and ``es``; each has its own speakers.
        num_cloze: Items in the cloze suite of each language.
        num_suite: Items in each of the other suites, about; 0 for none.
        num_processes: That speak at once.
    """

    hours: float = 1.5
    seed: int = 0
    languages: tuple[str, ...] = ("en",)
    num_cloze: int = 200
    num_suite: int = 0
    num_processes: int = 2
    synthetic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, lowest in (("hours", 1e-9), ("num_cloze", 0), ("num_suite", 0), ("num_processes", 1)):
            if getattr(self, name) < lowest:
                wanted = "more than 0" if name == "hours" else f"at least {lowest}"
                raise ValueError(f"{name}: {getattr(self, name)}; want {wanted}")
        if not self.languages:
            raise ValueError("languages: none; want at least one, such as ['en']")
        for language in self.languages:
            grammar(language)

    def splits(self, folder: Path) -> dict[str, Items]:
        """Speak the corpus into ``folder / "demo"`` if it is not there, and return its splits."""
        self.write(folder / "demo")
        return TableCorpus(folder / "demo").splits(folder)

    def write(self, folder: Path) -> None:
        """Write ``audio/``, ``train.jsonl``, ``dev.jsonl``, ``test.jsonl``, ``suites/`` and, last, ``demo.json``.

        The suites of the first language are ``suites/story_cloze.jsonl`` and so on, of another ``suites/story_cloze_de.jsonl``.
        A run that was interrupted is simply run again.

        Args:
            folder: Made if need be.

        Raises:
            ValueError: It holds a demo corpus of other arguments.
        """
        made = {"synthetic": True, "speech": "espeak-ng", "text": "a story grammar", "arguments": self._arguments()}
        if _is_made(folder / MARKER, made):
            return
        stories, cloze, suites = self._plan()
        lines = [line for split in stories.values() for line in split]
        lines += [line for items in cloze.values() for item in items for line in (item.prompt, item.right, item.wrong)]
        lines += [line for suite in suites.values() for line in suite.lines]
        rows = speak_all(lines, folder, self.num_processes)
        for split, chosen in stories.items():
            _write_table(folder / f"{split}.jsonl", [rows[line] for line in chosen])
        for language, items in cloze.items():
            suffix = "" if language == self.languages[0] else f"_{language}"
            _write_table(folder / "suites" / f"story_cloze{suffix}.jsonl", [_cloze_row(item, rows) for item in items])
        for language, suite in suites.items():
            _write_suites(folder / "suites", suite, "" if language == self.languages[0] else f"_{language}", rows)
        files.write_text(folder / MARKER, json.dumps(made, indent=2) + "\n")

    def _arguments(self) -> dict[str, Any]:
        return {
            "hours": self.hours,
            "seed": self.seed,
            "languages": list(self.languages),
            "num_cloze": self.num_cloze,
            "num_suite": self.num_suite,
        }

    def _plan(self) -> tuple[dict[str, list[Line]], dict[str, list[ClozeItem]], dict[str, Suites]]:
        """Return the lines of each split, and the cloze items and other suites of each language."""
        suites: dict[str, Suites] = {}
        lines: dict[str, list[Line]] = {split: [] for split in SPLITS}
        cloze: dict[str, list[ClozeItem]] = {}
        for language in self.languages:
            counts, told = _story_counts(self.hours / len(self.languages), language), set()
            for split in SPLITS:
                draw = random.Random(f"{self.seed} {language} {split}")
                stories = tell_many(language, counts[split], draw, told)
                lines[split] += [_story_line(story, language, split, i) for i, story in enumerate(stories)]
            cloze[language] = _cloze(language, self.num_cloze, random.Random(f"{self.seed} {language} cloze"), told)
            if self.num_suite:
                draw = random.Random(f"{self.seed} {language} suites")
                suites[language] = make_suites(language, self.num_suite, cloze[language], partial(_say, language), draw)
        return lines, {language: items for language, items in cloze.items() if items}, suites


def _story_counts(hours: float, language: str) -> dict[str, int]:
    total = hours * 3600 / SECONDS_PER_STORY[language]
    counts = {split: max(round(total * share), 1) for split, share in HELD_OUT_SHARES.items()}
    return counts | {"train": max(round(total) - sum(counts.values()), 1)}


def _story_line(story: Story, language: str, split: str, number: int) -> Line:
    names = list(speakers(language, split))
    id = f"{language}_{split}_{number:05d}"
    speaker, sentences = names[number % len(names)], (*story.sentences, story.ending)
    return _line(id, f"audio/{id}.flac", sentences, language, split, speaker, story.style)


def _cloze(language: str, count: int, draw: random.Random, told: set[str]) -> list[ClozeItem]:
    if count == 0:
        return []
    names, items = list(speakers(language, "test")), []
    stories = tell_many(language, count, draw, told)
    for number, (story, wrong) in enumerate(zip(stories, wrong_endings(stories, draw))):
        speaker, id = names[number % len(names)], f"{language}_cloze_{number:05d}"
        prompt = _line(id, f"suites/audio/{id}.flac", story.sentences, language, "test", speaker, story.style)
        right, wrong = (_ending(ending, language, speaker, story.style) for ending in (story.ending, wrong))
        items.append(ClozeItem(id, story.topic, prompt, right, wrong))
    return items


def _ending(text: str, language: str, speaker: str, style: str) -> Line:
    # One recording serves wherever this ending is right or wrong, so that the sound is balanced with the words.
    id = f"{speaker}_{style}_{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"
    return _line(id, f"suites/audio/{id}.flac", (text,), language, "test", speaker, style)


def _say(language: str, id: str, sentences: tuple[str, ...], number: int, style: str) -> Line:
    names = list(speakers(language, "test"))
    return _line(
        f"{language}_{id}",
        f"suites/audio/{language}_{id}.flac",
        sentences,
        language,
        "test",
        names[number % len(names)],
        style,
    )


def _line(id: str, path: str, sentences: tuple[str, ...], language: str, split: str, speaker: str, style: str) -> Line:
    voice = act(speakers(language, split)[speaker], style)
    return Line(id, path, " ".join(sentences), spoken(sentences), language, speaker, style, voice)


def _cloze_row(item: ClozeItem, rows: dict[Line, dict[str, Any]]) -> dict[str, Any]:
    parts = {name: _relative(rows[getattr(item, name)]) for name in ("prompt", "right", "wrong")}
    about = item.prompt
    return {
        "id": item.id,
        "topic": item.topic,
        "language": about.language,
        "speaker": about.speaker,
        "style": about.style,
        "synthetic": True,
        **parts,
    }


def _write_suites(folder: Path, suites: Suites, suffix: str, rows: dict[Line, dict[str, Any]]) -> None:
    for name, items in suites.tables.items():
        _write_table(folder / f"{name}{suffix}.jsonl", [{**_told(item, rows), "synthetic": True} for item in items])
    for name, content in suites.lists.items():
        if isinstance(content, list):
            files.write_text(folder / f"{name}{suffix}.txt", "".join(f"{word}\n" for word in content))
        else:
            files.write_text(folder / f"{name}{suffix}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _told(item: dict[str, Any], rows: dict[Line, dict[str, Any]]) -> dict[str, Any]:
    """A row with its lines as they were spoken; that of a lone utterance is the row itself."""
    told: dict[str, Any] = {}
    for key, value in item.items():
        said = [_relative(rows[line]) for line in value if isinstance(line, Line)] if isinstance(value, list) else []
        part = _relative(rows[value]) if isinstance(value, Line) else said or value
        told |= part if key == "utterance" else {key: part}
    return told


def _relative(row: dict[str, Any]) -> dict[str, Any]:
    """The spoken part of a cloze item, its audio path relative to the folder of the suites."""
    return {**{key: row[key] for key in ("text", "duration", "words")}, "audio": row["audio"].removeprefix("suites/")}


def _is_made(marker: Path, made: dict[str, Any]) -> bool:
    if not marker.is_file():
        return False
    there = json.loads(marker.read_text())
    if there != made:
        raise ValueError(
            f"{marker}: made with {there.get('arguments')}, now asked for {made['arguments']}; "
            f"delete {marker.parent} or write elsewhere"
        )
    return True


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    files.write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
