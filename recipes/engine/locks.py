"""Locks that keep two runs out of the same folder."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from recipes.engine.errors import RecipeError


@contextmanager
def locked(folders: Sequence[Path]) -> Generator[None, None, None]:
    """Hold a lock file beside each folder.

    The operating system releases the locks when the process ends, however it ends; child processes do not inherit them.

    Raises:
        RecipeError: Another run holds one of the locks.
    """
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(_locked(folder))
        yield


@contextmanager
def _locked(folder: Path) -> Generator[None, None, None]:
    path = folder.with_name(f".{folder.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(blocking=False)
    except Timeout:
        raise RecipeError(f"another run uses {folder}; wait for it to finish, or set another out=") from None
    except PermissionError:
        yield  # the folder belongs to another user: its stages can only be read
        return
    try:
        yield
    finally:
        lock.release()
