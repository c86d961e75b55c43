"""Files and folders that are written completely or not at all."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Generator[Path, None, None]:
    """Yield a temporary path beside ``path`` that is renamed to ``path`` if the block ends without an error.

    Args:
        path: The file to write; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
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
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file completely or not at all.

    Args:
        path: The file.
        text: Its content.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text)
