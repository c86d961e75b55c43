"""Detection of what a table is: its format, its delimiter and its columns."""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from zoo.corpora.audio_paths import AudioPaths
from zoo.corpora.column_names import COLUMN_NAMES, is_audio_name, is_column_name, map_columns
from zoo.corpora.delimited import DELIMITERS, find_delimiter, split_cells
from zoo.corpora.headerless import headerless_columns
from zoo.corpora.moshi import alignment_path
from zoo.corpora.text_lines import text_lines
from zoo.suggestions import nearest_name

TABLE_SUFFIXES = (".jsonl", ".jsonl.gz", ".tsv", ".tsv.gz", ".csv", ".csv.gz", ".parquet", ".json", ".txt")
SAMPLE_ROWS = 20
COLUMN_NAME = re.compile(r"[A-Za-z_]+( [A-Za-z_]+)?")


@dataclass(frozen=True)
class TableLayout:
    """What a table is.

    Args:
        kind: Name of the format, with the data set or toolkit that has it, for messages.
        columns: Name in the table by our name; for a list without header the number of the cell, from 0, as text.
        ignored: Names of the columns that are not read.
        delimiter: Delimiter of the cells; None for JSON Lines and Parquet.
        header: Cells of the header; empty if there is none.
        has_text_beside: Whether the texts are in files beside the audio.
    """

    kind: str
    columns: dict[str, str]
    ignored: tuple[str, ...] = ()
    delimiter: str | None = None
    header: tuple[str, ...] = ()
    has_text_beside: bool = False

    @property
    def description(self) -> str:
        """Format and columns on one line."""
        line = self.kind
        if self.header or self.delimiter is None:
            line += f", read: {', '.join(self._renamed(ours, theirs) for ours, theirs in self.columns.items())}"
        if "text" not in self.columns and not self.has_text_beside:
            line += "; speech without text"
        if self.ignored:
            line += f"; ignored: {', '.join(self._hinted(name) for name in self.ignored)}"
        return line

    def _renamed(self, ours: str, theirs: str) -> str:
        return ours if ours == theirs else f"{ours} ({theirs})"

    def _hinted(self, name: str) -> str:
        """Return an ignored column with the name that may have been meant."""
        nearest = nearest_name(name, COLUMN_NAMES.keys() - self.columns.keys())
        return name if nearest is None else f"{name} (did you mean {nearest!r}?)"


def table_layout(path: Path, wanted: Mapping[str, str], encoding: str) -> TableLayout:
    """Find out what a table is.

    Args:
        path: Table: JSON Lines, Parquet, or delimited text.
        wanted: Names of columns in the table by our name, where they are not known ones.
        encoding: Encoding of the file, if it is text.

    Raises:
        ValueError: It is no table, or no column of audio is found; the message says what it is and what is wanted.
    """
    if path.name.endswith(".parquet"):
        return _parquet_layout(path, wanted)
    first = next((line for line in text_lines(path, encoding) if line.text.strip() or line.problem), None)
    if first is None:
        raise ValueError(f"{path}: empty; want one utterance on each line")
    if first.problem:
        raise ValueError(f"{path}:{first.number}: {first.problem}")
    if ".jsonl" in path.name or path.suffix == ".json":
        return _json_layout(path, wanted, encoding)
    return _delimited_layout(path, first.text, wanted, encoding)


def _parquet_layout(path: Path, wanted: Mapping[str, str]) -> TableLayout:
    try:
        names = parquet.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not Parquet ({' '.join(str(error).split())}); download it again") from error
    mapping = map_columns(names, wanted, f"{path}: Parquet")
    return TableLayout("Parquet", mapping.names, mapping.ignored)


def _json_layout(path: Path, wanted: Mapping[str, str], encoding: str) -> TableLayout:
    for line in itertools.islice(text_lines(path, encoding), SAMPLE_ROWS):
        try:
            row = json.loads(line.text or "null")
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and not _is_whole_file(row):
            mapping = map_columns(tuple(row), wanted, f"{path}: JSON Lines")
            if "text" not in mapping.names and _is_moshi(path, row[mapping.names["audio"]]):
                kind = "moshi-finetune manifest with words beside the audio"
                return TableLayout(kind, mapping.names, mapping.ignored, has_text_beside=True)
            return TableLayout(_json_kind(row), mapping.names, mapping.ignored)
    raise ValueError(f"{path}: {_json_content(path)}")


def _is_moshi(path: Path, audio: Any) -> bool:
    return isinstance(audio, str) and alignment_path(AudioPaths(path.parent)(audio)) is not None


def _is_whole_file(row: dict[str, Any]) -> bool:
    """Return whether an object holds other objects, one for each utterance, as in SpeechBrain's JSON."""
    return len(row) > 0 and all(isinstance(value, dict) for value in row.values())


def _json_kind(row: dict[str, Any]) -> str:
    if "audio_filepath" in row:
        return "NeMo manifest"
    return "Hugging Face audiofolder, JSON Lines" if "file_name" in row else "JSON Lines"


def _json_content(path: Path) -> str:
    """Return what a JSON file is that is no JSON Lines, and how to make them of it."""
    with path.open("rb") as file:
        start = file.read(4096).lstrip().decode("utf-8", errors="replace")
    target = f"{path.name.split('.')[0]}.jsonl"
    wanted = "want JSON Lines, one object with audio and text on each line"
    if start.startswith("["):
        return f"one JSON array; {wanted}: jq -c '.[]' {path.name} > {target}"
    if start.startswith("{"):
        return f"one JSON object; {wanted}: jq -c 'to_entries[] | {{id: .key}} + .value' {path.name} > {target}"
    return f"no JSON object in the first {SAMPLE_ROWS} lines, which begin {start[:40]!r}; {wanted}"


def _delimited_layout(path: Path, first: str, wanted: Mapping[str, str], encoding: str) -> TableLayout:
    if "\r" in first:
        raise ValueError(
            f"{path}: its lines end in CR alone; convert it: tr '\\r' '\\n' < {path.name} > new{path.suffix}"
        )
    delimiter = find_delimiter(first)
    if delimiter is None:
        raise ValueError(f"{path}: its first line {first[:60]!r} has no tab, pipe, comma or semicolon; want a table")
    kind = f"{DELIMITERS[delimiter]}-separated"
    header = tuple(cell.strip() for cell in split_cells(first, delimiter) or first.split(delimiter))
    # pandas writes an index without a name.
    header = tuple(name or f"unnamed {number}" for number, name in enumerate(header))
    if any(is_audio_name(name) for name in header) or set(wanted.values()) & set(header):
        mapping = map_columns(header, wanted, f"{path}: {kind}")
        return TableLayout(_header_kind(kind, header), mapping.names, mapping.ignored, delimiter, header)
    rows = _sample(path, delimiter, encoding)
    if sum(is_column_name(name) for name in header) >= 2 and len(rows) > 1:
        return _layout_with_ids(path, kind, header, rows, delimiter, wanted)
    names = headerless_columns(rows, path.parent)
    if names is not None and len(rows) > 1 and _is_header(rows[0], names, path.parent):
        names = headerless_columns(rows[1:], path.parent) or names
        columns = {name: header[number] for number, name in enumerate(names) if name}
        ignored = tuple(name for name in header if name not in columns.values())
        return TableLayout(f"{kind} with header", columns, ignored, delimiter, header)
    if names is None:
        raise ValueError(
            f"{path}: {kind}, begins {first[:60]!r}: neither a header with a column of audio ("
            f"{', '.join(COLUMN_NAMES['audio'][:6])}, ...) nor names of audio files; add a header, such as "
            f"{delimiter.join(('audio', 'text')) if delimiter != chr(9) else 'audio<tab>text'}"
        )
    columns = {name: str(number) for number, name in enumerate(names) if name}
    order = ", ".join(name or "-" for name in names)
    return TableLayout(f"{kind} list without header ({order})", columns, (), delimiter)


def _is_header(row: list[str], names: tuple[str, ...], folder: Path) -> bool:
    """Return whether the first row names no audio file where all others do, and so is a header of unknown names."""
    is_audio = AudioPaths(folder).find(row[names.index("audio")].strip()) is not None
    return not is_audio and len(set(row)) == len(row) and all(COLUMN_NAME.fullmatch(cell.strip()) for cell in row)


def _layout_with_ids(
    path: Path, kind: str, header: tuple[str, ...], rows: list[list[str]], delimiter: str, wanted: Mapping[str, str]
) -> TableLayout:
    """Return the layout of a table with a header that names the audio by its id alone."""
    paths = AudioPaths(path.parent)
    for number, name in enumerate(header):
        if all(number < len(row) and paths.find(row[number]) for row in rows[1:]):
            mapping = map_columns(header, {**wanted, "audio": name}, f"{path}: {kind}")
            return TableLayout(_header_kind(kind, header), mapping.names, mapping.ignored, delimiter, header)
    raise ValueError(
        f"{path}: {kind}, with the columns {', '.join(header)}: none names audio files; add a column audio"
    )


def _header_kind(kind: str, header: tuple[str, ...]) -> str:
    if "client_id" in header and "sentence" in header:
        return f"Common Voice, {kind}"
    if "file_name" in header:
        return f"Hugging Face audiofolder, {kind}"
    return f"SpeechBrain, {kind}" if header[:2] == ("ID", "duration") else f"{kind} with header"


def _sample(path: Path, delimiter: str, encoding: str) -> list[list[str]]:
    rows = []
    for line in text_lines(path, encoding):
        if line.text.strip():
            rows.append(split_cells(line.text, delimiter) or line.text.split(delimiter))
        if len(rows) == SAMPLE_ROWS:
            break
    return rows
