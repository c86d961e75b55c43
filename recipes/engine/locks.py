"""One run at a time in a folder."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from recipes.engine.errors import RecipeError


@contextmanager
def locked(folders: Sequence[Path]) -> Generator[None, None, None]:
    """Hold a lock beside each folder; it ends with the process, however that ends, and its children do not inherit it.

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
        raise RecipeError(f"another run is at work in {folder}; wait for it, or set another out=") from None
    except PermissionError:
        yield  # a finished stage in a folder of another user
        return
    try:
        yield
    finally:
        lock.release()
