"""Delimited text: comma-, tab-, pipe- or semicolon-separated cells, with quotes as csv writers set them."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.corpora.text_lines import TextLine, text_lines

DELIMITERS = {"\t": "tab", "|": "pipe", ",": "comma", ";": "semicolon"}
MAX_QUOTED_LINES = 100  # a quoted cell of more lines is a quote that nobody closed


@dataclass(frozen=True)
class Cells:
    """The cells of a row.

    Args:
        line: Number of the line where the row starts, from 1.
        values: Content of each cell, without quotes around it.
        problem: Why the row cannot be read; None if it can.
    """

    line: int
    values: tuple[str, ...]
    problem: str | None = None


def find_delimiter(line: str) -> str | None:
    """Return the delimiter of a line; None if there is none in it.

    Tabs and pipes have precedence, since texts rarely contain them; of commas and semicolons, those that make more
    cells.
    """
    for delimiter in "\t|":
        if delimiter in line:
            return delimiter
    best = max(",;", key=lambda delimiter: len(_cells_or_raw(line, delimiter)))
    return best if best in line else None


def read_cells(path: Path, delimiter: str, encoding: str, num_columns: int) -> Iterator[Cells]:
    """Yield the cells of each row that is not empty.

    Quotes around a cell are removed, and doubled quotes in it are halved; other quotes are text. A quoted cell
    may go on over several lines in comma- and semicolon-separated files, and in others where the row is too short
    otherwise.

    Args:
        path: The file.
        delimiter: The delimiter, one character.
        encoding: Encoding of the file.
        num_columns: Number of cells of a complete row.
    """
    lines = text_lines(path, encoding)
    waiting: deque[TextLine] = deque()
    is_csv = delimiter in ",;"
    while (line := _next(lines, waiting)) is not None:
        if line.problem or not line.text.strip():
            if line.problem:
                yield Cells(line.number, (), line.problem)
            continue
        cells = _cells_or_raw(line.text, delimiter)
        if _is_open(line.text, delimiter) and (is_csv or len(cells) < num_columns):
            joined = _join_lines(line, lines, waiting, delimiter)
            if joined is None and is_csv:
                yield Cells(line.number, (), f"a quote is never closed: {line.text[:60]!r}")
                continue
            cells = joined or cells
        yield Cells(line.number, tuple(cells))


def split_cells(line: str, delimiter: str) -> list[str] | None:
    """Return the cells of a line; None if its quotes are not those of a csv writer."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _cells_or_raw(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line, with quotes as they stand if they are not those of a csv writer."""
    cells = split_cells(line, delimiter)
    if cells is not None:
        return cells
    return [_unquoted(cell) for cell in line.split(delimiter)]


def _unquoted(cell: str) -> str:
    cells = split_cells(cell, "\0")
    return cells[0] if cells else cell


def _is_open(line: str, delimiter: str) -> bool:
    """Return whether a quoted cell begins in a line and does not end in it."""
    starts_quoted = line.startswith('"') or f'{delimiter}"' in line
    return starts_quoted and line.count('"') % 2 == 1


def _join_lines(
    first: TextLine, lines: Iterator[TextLine], waiting: deque[TextLine], delimiter: str
) -> list[str] | None:
    """Return the cells of a row whose quoted cell spans lines; None, with the lines put back, if it is not closed."""
    read: list[TextLine] = []
    text = first.text
    while len(read) < MAX_QUOTED_LINES and (line := _next(lines, waiting)) is not None:
        read.append(line)
        if line.problem:
            break
        text += "\n" + line.text
        if line.text.count('"') % 2 == 1:
            cells = next(_records(text, delimiter), None)
            if cells is not None:
                return cells
    waiting.extendleft(reversed(read))
    return None


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    except csv.Error:
        return


def _next(lines: Iterator[TextLine], waiting: deque[TextLine]) -> TextLine | None:
    return waiting.popleft() if waiting else next(lines, None)
