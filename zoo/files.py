"""Files and folders that are written completely or not at all."""

import json
import os
import shutil
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from zoo.error_messages import one_line

MAX_LINE_LENGTH = 1 << 24
MAX_JSON_BYTES = 1 << 26
_FOREIGN = "it is damaged or of another program: copy the folder again from its original, or make it anew"
Line = TypeVar("Line", str, bytes, covariant=True)


@contextmanager
def atomic_file(path: Path) -> Generator[Path, None, None]:
    """Yield a temporary path beside ``path`` that is renamed to ``path`` if the block ends without an error.

    Args:
        path: The file to write; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    # A left-over may be a link, and writing through it would change a file elsewhere.
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Generator[Path, None, None]:
    """Yield an empty temporary folder that replaces ``path`` if the block ends without an error.

    Args:
        path: The folder to write; the folder above it is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    if temporary.is_symlink():
        temporary.unlink()
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def is_special(path: str | Path) -> bool:
    """Return whether there is something other than a regular file at a path: a folder, a pipe or a device.

    Links are followed. Opening a pipe or a device may wait forever or have effects of its own.
    """
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # nothing there, or no possible path
        return False


def write_text(path: Path, text: str) -> None:
    """Write a text file completely or not at all.

    Args:
        path: File to write; its folder is created.
        text: Content of the file.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text)


class Readable(Protocol[Line]):
    """An open file of text or bytes."""

    def readline(self, size: int, /) -> Line: ...


def limited_lines(file: Readable[Line], name: str) -> Iterator[Line]:
    """Yield the lines of an open file, none of which may exhaust the memory.

    Args:
        file: File, perhaps one that is decompressed while it is read.
        name: Name of the file, for the error message.

    Raises:
        ValueError: A line is longer than 16 MiB.
    """
    number = 0
    while line := file.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > MAX_LINE_LENGTH:
            raise ValueError(f"{name}, line {number}: longer than {MAX_LINE_LENGTH} bytes, the limit; split it")
        yield line


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        ValueError: If the file is not valid JSON, larger than 64 MiB or no regular file; the message is one line and
            names the file.
    """
    if is_special(path):
        raise ValueError(f"{path}: is not a regular file; write the file again from its original")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path}: larger than {MAX_JSON_BYTES} bytes, the limit; write the file again")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error}); write the file again from its original") from error
    return parse_json(text, str(path))


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file that holds one object.

    Raises:
        ValueError: If the file is not valid JSON, or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: want a mapping of names to values, got {str(content)[:60]!r}; "
            "write the file again from its original"
        )
    return content


@contextmanager
def reading(path: Path) -> Generator[None, None, None]:
    """Turn the errors of a block that uses the content of a configuration file into one line that names the file.

    Args:
        path: The file. Errors that name it, or a file beside it, are raised as they are.

    Raises:
        ValueError: The block met a value that is missing or cannot be used.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{path}: lacks {error}; {_FOREIGN}") from error
    except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError, RuntimeError) as error:
        if isinstance(error, MemoryError) or str(path.parent) in str(error):
            raise
        reason = one_line(error)[:200]
        raise ValueError(f"{path}: cannot be used ({reason}); {_FOREIGN}") from error


def parse_json(text: str | bytes, name: str) -> Any:
    """Parse a JSON text and return its value.

    Args:
        text: Text of one JSON value.
        name: File, and line if known, for the error message.

    Raises:
        ValueError: If the text is not valid JSON, or is nested too deeply for the parser.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(f"{name}: JSON nested too deeply to be read; write the file again from its original") from None
    except ValueError as error:
        raise ValueError(f"{name}: not valid JSON ({error}); write the file again from its original") from error
