"""Comparison of two runs, file by file and bit by bit."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What a training resumes from, and what tells of times and interruptions.
NOT_COMPARED = {"log.txt", "logs", "checkpoints"}
OF_THE_MACHINE = {"seconds", "peak_memory_gib", "started", "finished"}
SECONDS_OF_A_STAGE = re.compile(rb"^\| \w+ \| \d+ \|$", re.MULTILINE)  # in the table of a report


def differences(expected: Path, actual: Path) -> list[str]:
    """Return the path of each file that one of two run folders lacks, or that differs, with what differs."""
    files = {path: expected / path for path in _files(expected)}
    others = {path: actual / path for path in _files(actual)}
    lines = [f"{path} is missing" for path in files.keys() - others.keys()]
    lines += [f"{path} is left over" for path in others.keys() - files.keys()]
    for path in sorted(files.keys() & others.keys()):
        if _content(files[path]) != _content(others[path]):
            lines.append(f"{path} has other content")
    return sorted(lines)


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        is_lock = path.name.startswith(".") and path.name.endswith(".lock")
        if path.is_file() and not is_lock and not NOT_COMPARED & set(relative.parts):
            yield relative.as_posix()


def _content(path: Path) -> Any:
    """Return the content of a file, of records and reports without times and memory."""
    content = path.read_bytes()
    if path.name == "report.md":
        return SECONDS_OF_A_STAGE.sub(b"", content)
    if path.name not in ("stage.json", "report.json"):
        return content
    values = _without_times(json.loads(content))
    if path.name == "stage.json":
        names = {name for name in values["outputs"] if Path(name).name not in ("report.json", "report.md")}
        values["outputs"] = {name: values["outputs"][name].split(" ")[2] for name in sorted(names)}
    return values


def _without_times(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in OF_THE_MACHINE}
    return value
