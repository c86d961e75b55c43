"""Numbered lines of text files, plain or gzipped, in UTF-8 or another encoding."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from zoo.files import is_special

MAX_LINE_BYTES = 1 << 24
GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Encodings in which the byte 10 is not always the end of a line.
WIDE_ENCODINGS = ("utf-16", "utf-32")


@dataclass(frozen=True)
class TextLine:
    """A line of a text file.

    Args:
        number: Number of the line, from 1.
        text: The line without its end; empty if it cannot be read.
        problem: Why the line cannot be read; None if it can.
    """

    number: int
    text: str
    problem: str | None = None


def text_lines(path: Path, encoding: str = "utf-8") -> Iterator[TextLine]:
    """Yield the lines of a file; a line that cannot be decoded is yielded with the reason.

    A byte order mark at the start of the file has precedence over ``encoding``.

    Args:
        path: Text file; gzipped if its name ends in ``.gz``.
        encoding: Name of the encoding, as Python has it.

    Raises:
        ValueError: The file is no regular file, is not gzipped though its name ends in ``.gz`` or its gzip data are
            damaged, or is not text; or there is no such encoding. The message is one line and names the file.
    """
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ValueError(f"encoding: {encoding!r} is no encoding; want one such as utf-8, utf-16 or latin-1") from error
    if is_special(path):
        raise ValueError(f"{path} is not a regular file; name a table or a folder of regular files")
    number = 0
    try:
        with _open(path) as file:
            start = file.peek(64)
            for mark, marked in BYTE_ORDER_MARKS.items():
                if start.startswith(mark):
                    encoding = marked
            if encoding.lower().startswith(WIDE_ENCODINGS):
                lines = _wide_lines(file, path, encoding)
            else:
                _require_text(start, path)
                lines = _byte_lines(file, path, encoding)
            for line in lines:
                number = line.number
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path}: damaged or cut gzip file, readable up to line {number} ({error}); download or compress it again"
        ) from error


def _open(path: Path) -> io.BufferedReader:
    if path.suffix != ".gz":
        return path.open("rb")
    with path.open("rb") as file:
        magic = file.read(len(GZIP_MAGIC))
    if magic != GZIP_MAGIC:
        raise ValueError(f"{path}: not gzipped, though its name ends in .gz; rename it to {path.stem}")
    return io.BufferedReader(gzip.open(path))


def _require_text(start: bytes, path: Path) -> None:
    position = start.find(0)
    if position >= 0:
        raise ValueError(
            f"{path}: byte {position} is NUL, so it is not UTF-8 text; if it is UTF-16, set encoding: utf-16-le or "
            f"convert it: iconv -f UTF-16LE -t UTF-8 {path.name} > new{path.suffix}"
        )


def _byte_lines(file: IO[bytes], path: Path, encoding: str) -> Iterator[TextLine]:
    offset = 0
    number = 0
    while True:
        line = file.readline(MAX_LINE_BYTES + 1)
        if not line:
            return
        number += 1
        length = len(line)
        if length > MAX_LINE_BYTES:
            length += _skip_line(file)
            yield TextLine(number, "", f"longer than {MAX_LINE_BYTES} bytes, it has {length}")
        else:
            try:
                yield TextLine(number, line.decode(encoding).rstrip("\r\n"))
            except UnicodeDecodeError as error:
                yield TextLine(number, "", _decoding_problem(error, offset, encoding))
        offset += length


def _skip_line(file: IO[bytes]) -> int:
    """Read to the end of a line and return the number of bytes."""
    length = 0
    while True:
        rest = file.readline(MAX_LINE_BYTES)
        length += len(rest)
        if not rest or rest.endswith(b"\n"):
            return length


def _decoding_problem(error: UnicodeDecodeError, offset: int, encoding: str) -> str:
    byte = error.object[error.start]
    remedy = "set encoding: latin-1 (or cp1252, ...) of the corpus, or convert the file to UTF-8 with iconv"
    return f"byte 0x{byte:02x} at position {offset + error.start} is not {encoding.removesuffix('-sig')}; {remedy}"


def _wide_lines(file: IO[bytes], path: Path, encoding: str) -> Iterator[TextLine]:
    text = io.TextIOWrapper(file, encoding, newline="\n")
    number = 0
    try:
        while line := text.readline(MAX_LINE_BYTES):
            number += 1
            yield TextLine(number, line.rstrip("\r\n"))
    except UnicodeError as error:
        raise ValueError(f"{path}:{number + 1}: not {encoding} ({error}); set another encoding") from error
