"""The folder of one stage and the record in it, ``stage.json``."""

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
# What the engine itself writes beside a stage's results.
OWN_FILES = {RECORD, "recipe.yaml", "log.txt"}


@dataclass
class Record:
    """What is known about a stage that was started.

    Args:
        stage: Name of the stage.
        is_done: Whether the stage came to its end; where not, it was interrupted or is running.
        fingerprint: What the result depends on.
        seconds: Time spent, resumed runs added.
        peak_memory_gib: Peak of the resident memory of the process, in GiB.
        started: Time of the first start, UTC.
        finished: Time of the end, UTC.
        highlights: What to open or listen to, by label.
    """

    stage: str
    is_done: bool
    fingerprint: Fingerprint
    seconds: float = 0.0
    peak_memory_gib: float = 0.0
    started: str = ""
    finished: str = ""
    highlights: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        content = asdict(self)
        head = {
            "stage": content.pop("stage"),
            "state": "done" if content.pop("is_done") else "interrupted",
            "hash": self.fingerprint.hash,
        }
        write_text(folder / RECORD, json.dumps(head | content, indent=2) + "\n")


def read(folder: Path) -> Record | None:
    """Return the record in a stage's folder; None where no stage has started there.

    Raises:
        RecipeError: The folder holds something else.
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
        raise RecipeError(f"{folder} is no folder; set another out=") from None
    except (ValueError, TypeError, KeyError) as error:
        raise RecipeError(f"{folder / RECORD} cannot be read ({error}); delete {folder} to make it anew") from error


def is_bare(folder: Path) -> bool:
    """Whether a stage that was started has made nothing, as after a mistyped path."""
    return all(path.name in OWN_FILES for path in folder.iterdir())


def clear(folder: Path) -> None:
    """Delete a stage's folder, at once as seen from outside."""
    trash = folder.with_name(f".{folder.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    if folder.exists():
        os.replace(folder, trash)
        shutil.rmtree(trash, ignore_errors=True)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
