"""Rows of tables: JSON Lines, delimited text and Parquet."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from zoo.corpora.audio_paths import AudioPaths
from zoo.corpora.column_names import match_columns
from zoo.corpora.delimited import DELIMITERS, Cells, read_cells
from zoo.corpora.embedded_audio import read_parquet
from zoo.corpora.moshi import with_alignment
from zoo.corpora.row import Row, RowReader
from zoo.corpora.table_layout import TableLayout
from zoo.corpora.text_lines import text_lines


def table_reader(path: Path, layout: TableLayout, encoding: str, audio_folder: Path) -> RowReader:
    """Return a reader of the rows of a table.

    Args:
        path: The table.
        layout: What it is.
        encoding: Encoding of the file, if it is text.
        audio_folder: Folder that audio inside of the table is written to.
    """
    if path.name.endswith(".parquet"):
        return RowReader(
            partial(read_parquet, path, layout.columns, audio_folder), partial(read_parquet, path, layout.columns, None)
        )
    if layout.delimiter is None:
        return RowReader(partial(_json_rows, path, layout, encoding))
    return RowReader(partial(_delimited_rows, path, layout, encoding))


def _json_rows(path: Path, layout: TableLayout, encoding: str) -> Iterator[Row]:
    paths = AudioPaths(path.parent)
    for line in text_lines(path, encoding):
        if line.problem:
            yield Row(path, line.number, problem=line.problem)
            continue
        if not line.text.strip():
            continue
        row = _json_object(path, line.number, line.text)
        if row.problem is None:
            names = match_columns(tuple(row.columns), layout.columns)
            columns = {ours: row.columns[theirs] for ours, theirs in names.items()}
            row = _finished(replace(row, columns=columns, find_audio=paths), layout)
        yield row


def _json_object(path: Path, line: int, text: str) -> Row:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return Row(path, line, problem=f"broken JSON ({error.msg} at column {error.colno})")
    except RecursionError:
        return Row(path, line, problem="broken JSON (nested too deeply)")
    except ValueError as error:  # whole numbers of too many digits
        return Row(path, line, problem=f"broken JSON ({error})")
    if not isinstance(value, dict):
        return Row(path, line, problem=f"want one JSON object a line, got {text.strip()[:60]}")
    return Row(path, line, columns=value)


def _finished(row: Row, layout: TableLayout) -> Row:
    """Return a row of JSON Lines with its audio as a path, and an empty text in a corpus without texts."""
    audio = row.columns.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("path"), str):
        row = replace(row, columns={**row.columns, "audio": audio["path"]})
    if "text" in layout.columns:
        return row
    return with_alignment(replace(row, columns={**row.columns, "text": ""}))


def _delimited_rows(path: Path, layout: TableLayout, encoding: str) -> Iterator[Row]:
    paths = AudioPaths(path.parent)
    delimiter = layout.delimiter or "\t"
    if layout.header:
        numbers = {ours: layout.header.index(theirs) for ours, theirs in layout.columns.items()}
        num_columns = len(layout.header)
    else:
        numbers = {ours: int(number) for ours, number in layout.columns.items()}
        num_columns = 0
    is_header = bool(layout.header)
    for cells in read_cells(path, delimiter, encoding, num_columns):
        if is_header:
            is_header = False
            continue
        num_columns = num_columns or len(cells.values)
        problem = cells.problem or _width_problem(cells, num_columns, numbers, delimiter)
        if problem:
            audio = cells.values[numbers["audio"]] if len(cells.values) > numbers["audio"] else ""
            yield Row(path, cells.line, {"audio": audio}, problem, paths)
            continue
        columns: dict[str, Any] = {"text": ""}
        for ours, number in numbers.items():
            value = cells.values[number] if number < len(cells.values) else ""
            # An empty text is a text, but other empty cells are missing.
            columns[ours] = value if value or ours in ("audio", "text") else None
        columns["audio"] = columns["audio"].strip()
        yield Row(path, cells.line, columns, find_audio=paths)


def _width_problem(cells: Cells, num_columns: int, numbers: dict[str, int], delimiter: str) -> str | None:
    name = DELIMITERS[delimiter]
    if any(cells.values[num_columns:]):
        return f"{len(cells.values)} cells, want {num_columns}; is there a {name} in a text? Quote the text"
    needed = max(numbers["audio"], numbers.get("text", 0))
    if needed >= len(cells.values):
        return f"{len(cells.values)} cell(s), want {num_columns}, separated by {name}s"
    return None
