"""The folder of a stage, and the record of its run in ``stage.json``."""

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from recipes.engine.errors import RecipeError
from recipes.engine.fingerprint import Fingerprint
from zoo.files import read_json, write_text

RECORD = "stage.json"
# Files that the engine itself writes into the folder of a stage.
OWN_FILES = {RECORD, "recipe.yaml", "log.txt"}


@dataclass
class Record:
    """Content of ``stage.json``: the state of a stage that has been started.

    Args:
        stage: Name of the stage.
        is_done: Whether the stage has finished; otherwise it is running or was interrupted.
        fingerprint: What the result depends on.
        seconds: Seconds of work, summed over the first run and all resumed ones.
        peak_memory_gib: Peak resident memory of the process, in GiB.
        started: Time of the first start, in ISO format, UTC.
        finished: Time of completion, in ISO format, UTC; empty until then.
        highlights: Results for the summary after a run, by label: a file to open, a figure.
        outputs: Size in bytes, time of change and SHA-256 of every file of the finished stage, by its path in the
            folder.
    """

    stage: str
    is_done: bool
    fingerprint: Fingerprint
    seconds: float = 0.0
    peak_memory_gib: float = 0.0
    started: str = ""
    finished: str = ""
    highlights: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        content = asdict(self)
        head = {
            "stage": content.pop("stage"),
            "state": "done" if content.pop("is_done") else "interrupted",
            "hash": self.fingerprint.hash,
        }
        write_text(folder / RECORD, json.dumps(head | content, indent=2) + "\n")


def read_record(folder: Path) -> Record | None:
    """Read the record in a stage's folder; None if no stage has started there.

    Raises:
        RecipeError: The folder holds files but no record, or the record cannot be read.
    """
    try:
        content = read_json(folder / RECORD)
        content.pop("hash")
        fingerprint = Fingerprint(**content.pop("fingerprint"))
        return Record(is_done=content.pop("state") == "done", fingerprint=fingerprint, **content)
    except FileNotFoundError:
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise RecipeError(f"{folder} holds files that no stage made; set another out=, or move them away") from None
        return None
    except NotADirectoryError:
        raise RecipeError(f"{folder} is not a folder; set another out=") from None
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(f"{folder / RECORD} cannot be read ({error}); delete {folder} to make it anew") from error


def is_bare(folder: Path) -> bool:
    """Return whether the folder of a started stage holds no results, as when it failed on a mistyped path."""
    return all(path.name in OWN_FILES for path in folder.iterdir())


def clear_folder(folder: Path) -> None:
    """Delete a stage's folder; it is renamed first, so that it never appears half deleted."""
    trash = folder.with_name(f".{folder.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    if folder.exists():
        os.replace(folder, trash)
        shutil.rmtree(trash, ignore_errors=True)


def current_time() -> str:
    """Return the current time in ISO format, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
