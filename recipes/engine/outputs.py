"""Files that a finished stage left, as its record has them: noticed when they are missing or have changed."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_FILES = 300_000  # of which a record has less than the 64 MiB that a file of JSON may have
MAX_SHOWN = 3
# Not results: what a training resumes from or is watched by may be deleted once it is complete.
NOT_RESULTS = ("checkpoints", "logs")


@dataclass(frozen=True)
class OutputCheck:
    """Comparison of the files of a stage with its record.

    Args:
        problem: What is missing or has changed; empty if nothing.
        outputs: The record of the files, with their present times.
    """

    problem: str
    outputs: dict[str, str]


def describe_outputs(folder: Path, own_files: Collection[str], others: Collection[Path]) -> dict[str, str]:
    """Return size, time of change and SHA-256 of every file that a stage has left, by path in its folder.

    Hidden files, checkpoints and logs are left out. A folder of more than ``MAX_FILES`` files is not described.

    Args:
        folder: Folder of the stage.
        own_files: Names of the files that the engine itself writes there.
        others: Folders of other stages, which may lie in this one.
    """
    outputs = {}
    inner = {os.path.realpath(other) for other in others}
    for name in _files(folder, "", inner):
        if name in own_files:
            continue
        if len(outputs) == MAX_FILES:
            return {}
        path = folder / name
        status = path.stat()
        outputs[name] = f"{status.st_size} {status.st_mtime_ns} {_hash(path)}"
    return outputs


def check_outputs(folder: Path, outputs: Mapping[str, str], verify: bool = False) -> OutputCheck:
    """Compare the files of a finished stage with its record.

    Files whose size and time of change are recorded are taken to be unchanged; the others are hashed.

    Args:
        folder: Folder of the stage.
        outputs: Size, time and hash of its files, as ``describe_outputs`` returns them.
        verify: Whether all files are hashed.
    """
    problems = []
    current = {}
    for name, recorded in outputs.items():
        problem, current[name] = _check(folder / name, recorded, verify)
        if problem:
            problems.append(f"{name} {problem}")
    hidden = f" and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
    return OutputCheck(", ".join(problems[:MAX_SHOWN]) + hidden, current)


def _check(path: Path, recorded: str, verify: bool) -> tuple[str, str]:
    """Return what is wrong with a file, empty if nothing, and its description with its present time."""
    size, changed, digest = recorded.split(" ")
    try:
        status = path.stat()
    except OSError:
        return "is missing", recorded
    if status.st_size != int(size):
        return f"has {status.st_size} bytes, it had {size}", recorded
    if (verify or status.st_mtime_ns != int(changed)) and _hash(path) != digest:
        return "has other content", recorded
    return "", f"{size} {status.st_mtime_ns} {digest}"


def _files(folder: Path, below: str, inner: Collection[str]) -> Iterator[str]:
    """Yield the path of every file in a folder, sorted, without hidden ones and without the folders ``inner``."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name.startswith(".") or entry.name in NOT_RESULTS:
            continue
        if entry.is_dir(follow_symlinks=False):
            if os.path.realpath(entry.path) not in inner:
                yield from _files(Path(entry.path), f"{below}{entry.name}/", inner)
        elif entry.is_file():
            yield below + entry.name


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
