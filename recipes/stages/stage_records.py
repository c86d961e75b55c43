"""Records of finished stages: running time and memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zoo.files import read_json

RECORD = "stage.json"


def seconds_of(folder: Path) -> float | None:
    """Return the running time in seconds of the stage that wrote ``folder``; None if no stage of a recipe did."""
    record = folder.parent / RECORD
    return read_json(record)["seconds"] if record.is_file() else None


def finished_stages(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the records of all finished stages of the runs that some stages belong to, in the order of their start.

    Args:
        folders: Folders of stages; every stage in the same run folder is included.
    """
    finished = []
    for run in sorted({folder.parent for folder in folders}):
        for path in sorted(run.glob(f"*/{RECORD}")):
            record = read_json(path)
            if record["state"] == "done":
                finished.append(record)
    return sorted(finished, key=lambda record: record["started"])
