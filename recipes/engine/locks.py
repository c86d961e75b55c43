"""One run at a time in a folder."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recipes.engine.errors import RecipeError


@contextmanager
def locked(folders: Sequence[Path]) -> Iterator[None]:
    """Hold a lock beside each folder; it ends with the process, however that ends, and is not inherited by its children.

    Raises:
        RecipeError: Another run holds one.
    """
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(_lock(folder))
        yield


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    path = folder.with_name(f".{folder.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError:
        yield  # a finished stage of somebody else's
        return
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RecipeError(f"another run is at work in {folder}; wait for it, or set another out=") from None
        yield
    finally:
        os.close(file)
