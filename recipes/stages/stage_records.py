"""What the engine recorded of other stages: how long they took, and their memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.files import read_json

RECORD = "stage.json"


def seconds_of(folder: Path) -> float | None:
    """Return the seconds of the stage that wrote a folder, such as ``model``; None if it was no stage of a recipe."""
    record = folder.parent / RECORD
    return read_json(record)["seconds"] if record.is_file() else None


def finished_stages(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the records of all finished stages beside some, in the order in which they started.

    Args:
        folders: Folders of stages; those beside them count, too.
    """
    finished = []
    for run in sorted({folder.parent for folder in folders}):
        for path in sorted(run.glob(f"*/{RECORD}")):
            record = read_json(path)
            if record["state"] == "done":
                finished.append(record)
    return sorted(finished, key=lambda record: record["started"])
