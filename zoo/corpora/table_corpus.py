"""Corpora in tables with one utterance on each line: JSON Lines or tab-separated values."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lhotse.cut import Cut

from zoo.corpora.source import SPLITS, BadItem, Items, UtteranceKey, choose_held_out, file_cut
from zoo.corpora.utterance import UNKNOWN_SPEAKER, Interval
from zoo.files import is_special, parse_json
from zoo.suggestions import suggest

REQUIRED = ("audio", "text")
COLUMNS = (*REQUIRED, "id", "duration", "language", "speaker", "style", "words", "phonemes")
TABLE_SUFFIXES = (".jsonl", ".jsonl.gz", ".tsv", ".tsv.gz")
# The header of a file may count the padding of its encoder, and durations in tables are rounded.
DURATION_TOLERANCE_SECONDS = 0.1


@dataclass(frozen=True)
class TableRow:
    """One utterance of a table.

    Args:
        line: Number of the line, from 1.
        columns: Value of each column.
    """

    line: int
    columns: dict[str, Any]

    @property
    def key(self) -> UtteranceKey:
        """The ``id`` of the row, or else its audio path with dashes, and its speaker."""
        if self.columns.get("id"):
            name = str(self.columns["id"])
        else:
            name = "-".join(Path(self.columns["audio"]).with_suffix("").parts).lstrip("/-.")
        return UtteranceKey(name, str(self.columns.get("speaker") or UNKNOWN_SPEAKER))


@dataclass(frozen=True)
class TableCorpus:
    """A folder with ``train`` and ``dev``, perhaps ``test``, as ``.jsonl`` or ``.tsv``; or one such file.

    Columns: ``audio`` (path relative to the table's folder), ``text``; optional ``id``, ``duration`` (seconds),
    ``language``, ``speaker``, ``style``, ``words`` and ``phonemes`` as ``[[word, start_seconds, end_seconds], ...]``
    (in ``.tsv`` as JSON). Without a table ``dev``, one is held out.

    Args:
        path: The folder or the file.
        language: BCP-47, of rows without a language.
        dev_share: Share of the utterances, about, that are held out if there is no ``dev``: whole speakers if there are
            enough of them.
    """

    path: Path
    language: str = "en"
    dev_share: float = 0.05

    @property
    def synthetic(self) -> bool:
        return False

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: There is no table.
        """
        tables = {"train": self.path} if self.path.is_file() else split_tables(self.path)
        if "train" not in tables:
            raise FileNotFoundError(f"{self.path}: no train table; want train.jsonl or train.tsv, or name one file")
        if "dev" in tables:
            return {split: Items(partial(self._cuts, table)) for split, table in tables.items()}
        table = tables.pop("train")
        is_held_out = choose_held_out((row.key for row in read_table(table)), self.dev_share, str(table))
        splits = {
            "train": Items(partial(self._cuts, table, is_held_out, False)),
            "dev": Items(partial(self._cuts, table, is_held_out, True)),
        }
        return splits | {split: Items(partial(self._cuts, other)) for split, other in tables.items()}

    def _cuts(
        self, table: Path, is_held_out: Callable[[UtteranceKey], bool] | None = None, is_dev: bool = False
    ) -> Iterator[Cut | BadItem]:
        """Yield all utterances of a table, or, given a choice, those that are held out or those that are not."""
        for row in read_table(table):
            if is_held_out is None or is_held_out(row.key) == is_dev:
                yield self._cut(row, table)

    def _cut(self, row: TableRow, table: Path) -> Cut | BadItem:
        columns = row.columns
        key = row.key
        path = table.parent / columns["audio"]
        place = f"{table.name}:{row.line}"
        try:
            words = parse_intervals(columns.get("words"), "words")
            phonemes = parse_intervals(columns.get("phonemes"), "phonemes")
            duration = None if columns.get("duration") is None else float(columns["duration"])
        except (TypeError, ValueError) as error:
            return BadItem(key.id, str(path), f"{place}: {error}")
        style = None if columns.get("style") is None else str(columns["style"])
        language = str(columns.get("language") or self.language)
        cut = file_cut(path, key.id, str(columns["text"]), language, key.speaker, style, words, phonemes)
        if isinstance(cut, BadItem) or duration is None:
            return cut
        if abs(cut.duration - duration) > DURATION_TOLERANCE_SECONDS:
            reason = f"{place}: the table says {duration:g} s, the file has {cut.duration:g} s"
            return BadItem(key.id, str(path), reason)
        return cut


def split_tables(folder: Path) -> dict[str, Path]:
    """Return the tables of a folder by split."""
    tables = {}
    for split in SPLITS:
        paths = [folder / (split + suffix) for suffix in TABLE_SUFFIXES]
        existing = [path for path in paths if path.is_file()]
        if existing:
            tables[split] = existing[0]
    return tables


def read_table(path: Path) -> Iterator[TableRow]:
    """Yield the rows of a table with their columns checked.

    Raises:
        ValueError: A line is broken JSON, or has an unknown column or lacks a required one; the message names the line.
            Or the table is no regular file.
    """
    if is_special(path):
        raise ValueError(f"{path} is not a regular file; name a table ({', '.join(TABLE_SUFFIXES)})")
    open_file = gzip.open if path.suffix == ".gz" else open
    with open_file(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = _tsv_rows(file) if ".tsv" in path.suffixes else _json_rows(file, path)
        for row in rows:
            _check_columns(row.columns, f"{path}:{row.line}")
            yield row


def parse_intervals(value: Any, column: str) -> tuple[Interval, ...] | None:
    """Parse ``[[word, start_seconds, end_seconds], ...]``.

    Args:
        value: The list itself, or its JSON; None or an empty string where there are no times.
        column: Name of the column, for the message.

    Raises:
        ValueError: The value is of another form.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        # Spreadsheets quote a cell that holds quotes.
        unquoted = value[1:-1].replace('""', '"') if value.startswith('"') else value
        value = parse_json(unquoted, column)
    try:
        return tuple((str(word), float(start), float(end)) for word, start, end in value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{column}: want [[word, start_seconds, end_seconds], ...], got {str(value)[:60]}") from error


def _json_rows(file: Iterable[str], path: Path) -> Iterator[TableRow]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            columns = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{line}: broken JSON ({error.msg} at column {error.colno})") from error
        except RecursionError as error:
            raise ValueError(f"{path}:{line}: broken JSON (nested too deeply)") from error
        if not isinstance(columns, dict):
            raise ValueError(f"{path}:{line}: want one JSON object a line, got {text.strip()[:60]}")
        yield TableRow(line, columns)


def _tsv_rows(file: Iterable[str]) -> Iterator[TableRow]:
    # The header is line 1. Empty cells are absent, but an empty text is a text.
    for line, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 2):
        yield TableRow(line, {key: value if value or key in REQUIRED else None for key, value in row.items()})


def _check_columns(columns: dict[Any, Any], place: str) -> None:
    for name in columns:
        if name not in COLUMNS:
            hint = suggest(name, COLUMNS, f"the columns are {', '.join(COLUMNS)}")
            raise ValueError(f"{place}: unknown column {name!r}; {hint}")
    for name in REQUIRED:
        if columns.get(name) is None or (name == "audio" and not columns[name]):
            raise ValueError(f"{place}: no {name!r}; every row needs {' and '.join(REQUIRED)}")
