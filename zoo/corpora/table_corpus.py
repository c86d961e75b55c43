"""Tables: one utterance a line, as JSON Lines or tab-separated values."""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lhotse.cut import Cut

from zoo.corpora.source import SPLITS, BadItem, Items, file_cut, held_out
from zoo.corpora.utterance import UNKNOWN_SPEAKER, Interval
from zoo.suggestions import suggest

REQUIRED = ("audio", "text")
COLUMNS = (*REQUIRED, "id", "duration", "language", "speaker", "style", "words", "phonemes")
TABLE_SUFFIXES = (".jsonl", ".jsonl.gz", ".tsv", ".tsv.gz")
# A header may count the encoder's padding, and tables round.
DURATION_TOLERANCE_SECONDS = 0.1


@dataclass(frozen=True)
class TableCorpus:
    """A folder with ``train`` and ``dev``, perhaps ``test``, as ``.jsonl`` or ``.tsv``; or one such file.

    Columns: ``audio`` (path relative to the table's folder), ``text``; optional ``id``, ``duration`` (seconds),
    ``language``, ``speaker``, ``style``, ``words`` and ``phonemes`` as ``[[word, start_seconds, end_seconds], ...]``
    (in ``.tsv`` as JSON). Without a table ``dev`` one is held out.

    Args:
        path: The folder or the file.
        language: BCP-47, of rows that name none.
        dev_share: Of the utterances, about, where dev has to be held out: whole speakers if there are enough of them.
    """

    path: Path
    language: str = "en"
    dev_share: float = 0.05
    synthetic: ClassVar[bool] = False

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
        keys = ((row_id(row), row.get("speaker") or UNKNOWN_SPEAKER) for _, row in read_table(table))
        is_dev = held_out(keys, self.dev_share, str(table))
        parts = {split: Items(partial(self._cuts, table, is_dev, split == "dev")) for split in ("train", "dev")}
        return parts | {split: Items(partial(self._cuts, other)) for split, other in tables.items()}

    def _cuts(
        self,
        table: Path,
        is_dev: Callable[[str, str], bool] | None = None,
        wanted: bool = False,
    ) -> Iterator[Cut | BadItem]:
        for line, row in read_table(table):
            id, speaker = row_id(row), str(row.get("speaker") or UNKNOWN_SPEAKER)
            if is_dev is None or is_dev(id, speaker) == wanted:
                yield self._cut(table.parent / row["audio"], id, speaker, row, f"{table.name}:{line}")

    def _cut(self, path: Path, id: str, speaker: str, row: dict[str, Any], place: str) -> Cut | BadItem:
        try:
            words, phonemes = (intervals(row.get(column), column) for column in ("words", "phonemes"))
            duration = None if row.get("duration") is None else float(row["duration"])
        except (TypeError, ValueError) as error:
            return BadItem(id, str(path), f"{place}: {error}")
        style = None if row.get("style") is None else str(row["style"])
        cut = file_cut(
            path, id, str(row["text"]), str(row.get("language") or self.language), speaker, style, words, phonemes
        )
        if isinstance(cut, Cut) and duration is not None and abs(cut.duration - duration) > DURATION_TOLERANCE_SECONDS:
            return BadItem(id, str(path), f"{place}: the table says {duration:g} s, the file has {cut.duration:g} s")
        return cut


def split_tables(folder: Path) -> dict[str, Path]:
    """The tables of a folder by split."""
    found = {split: [folder / (split + suffix) for suffix in TABLE_SUFFIXES] for split in SPLITS}
    return {
        split: next(path for path in paths if path.is_file())
        for split, paths in found.items()
        if any(path.is_file() for path in paths)
    }


def read_table(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row) with the columns checked.

    Raises:
        ValueError: Broken JSON, an unknown column or a missing required one, told as file:line.
    """
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = _tsv_rows(file) if ".tsv" in path.suffixes else _json_rows(file, path)
        for line, row in rows:
            _check_columns(row, f"{path}:{line}")
            yield line, row


def row_id(row: dict[str, Any]) -> str:
    """The ``id`` of a row, else its audio path with dashes."""
    return str(row["id"]) if row.get("id") else "-".join(Path(row["audio"]).with_suffix("").parts).lstrip("/-.")


def intervals(value: Any, column: str) -> tuple[Interval, ...] | None:
    """Parse ``[[word, start_seconds, end_seconds], ...]``, given as such or as JSON."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        # Spreadsheets quote a cell that holds quotes.
        value = json.loads(value[1:-1].replace('""', '"') if value.startswith('"') else value)
    try:
        return tuple((str(word), float(start), float(end)) for word, start, end in value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{column}: want [[word, start_seconds, end_seconds], ...], got {str(value)[:60]}") from error


def _json_rows(file: Iterator[str], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{line}: broken JSON ({error.msg} at column {error.colno})") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{line}: want one JSON object a line, got {text.strip()[:60]}")
        yield line, row


def _tsv_rows(file: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 2):
        yield line, {key: value if value or key in REQUIRED else None for key, value in row.items()}


def _check_columns(row: dict[str, Any], place: str) -> None:
    for key in row:
        if key not in COLUMNS:
            hint = suggest(str(key), COLUMNS, f"the columns are {', '.join(COLUMNS)}")
            raise ValueError(f"{place}: unknown column {key!r}; {hint}")
    for key in REQUIRED:
        if row.get(key) is None or (key == "audio" and not row[key]):
            raise ValueError(f"{place}: no {key!r}; every row needs {' and '.join(REQUIRED)}")
