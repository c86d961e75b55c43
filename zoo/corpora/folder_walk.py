"""The files below a folder, with each folder read once whatever links lead to it."""

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files below a folder in an order that does not depend on the file system.

    Links are followed, but each folder is read once, so that links to folders above them are no endless loop. The names
    of one folder at a time are in memory, and the numbers of all folders.

    Args:
        root: The folder.
        suffixes: Ends of the names of the files to yield, in lower case.
    """
    visited = {_folder_number(root)}
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = _unvisited(Path(folder), folders, visited)
        for name in sorted(files):
            if name.lower().endswith(suffixes) and not name.startswith("."):
                yield Path(folder, name)


def _unvisited(parent: Path, names: list[str], visited: set[tuple[int, int]]) -> list[str]:
    """Return the sorted names of the folders that are not hidden and not in ``visited``, to which they are added."""
    unvisited = []
    # A folder has precedence over a link to it.
    for name in sorted(names, key=lambda name: ((parent / name).is_symlink(), name)):
        if name.startswith("."):
            continue
        number = _folder_number(parent / name)
        if number not in visited:
            visited.add(number)
            unvisited.append(name)
    return sorted(unvisited)


def _folder_number(folder: Path) -> tuple[int, int]:
    """Return what identifies a folder by whatever path it is reached: its device and inode."""
    status = folder.stat()
    return status.st_dev, status.st_ino
