"""What a stage's result depends on: its arguments, the earlier stages it reads, the state of its input data."""

import hashlib
import json
import os
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from recipes.engine.dependencies import stage_of, stages_read
from recipes.engine.errors import shown
from recipes.engine.nodes import TARGET, content_of, items_of, leaves
from recipes.engine.recipe import Recipe
from recipes.engine.signatures import signature
from recipes.engine.targets import Targets

LENGTH = ("max_steps", "max_epochs")
MAY_CHANGE_ON_RESUME = LENGTH + (
    "num_workers",
    "num_processes",
    "batch_seconds",
    "devices",
    "log_every_n_steps",
    "enable_progress_bar",
)
MAY_CHANGE_WHOLE = "engine"  # where the work is done
HASHED_WHOLE_BYTES = 1 << 20
MANY_FILES = 200_000


@dataclass(frozen=True)
class Fingerprint:
    """What a stage's result depends on.

    Args:
        arguments: By path in the stage's node; folders of stages are written as ``${stages.NAME.out}``.
        upstream: Hash of every earlier stage whose folder is read.
        inputs: State of every file or folder read from outside, by path.
        length: How long training goes on; a stage with another length is continued, what reads it is made anew.
    """

    arguments: dict[str, Any]
    upstream: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    length: dict[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def differences(self, made: "Fingerprint") -> list[str]:
        """Say how a stage ``made`` earlier is another one than this; length does not count."""
        lines = []
        for key in _unequal(made.arguments, self.arguments):
            lines.append(f"{key} from {_shown_at(made.arguments, key)} to {_shown_at(self.arguments, key)}")
        lines += [f"{key} has other content" for key in _unequal(made.inputs, self.inputs)]
        lines += [f"what it reads of stages.{name}" for name in _unequal(made.upstream, self.upstream)]
        return lines


def fingerprints(recipe: Recipe) -> dict[str, Fingerprint]:
    """Compute the fingerprint of every run of a stage, in order."""
    folders = {name: run.folder for name, run in recipe.runs.items()}
    contents: dict[tuple[str | None, Any], dict[str, Any]] = {}
    computed: dict[str, Fingerprint] = {}
    for name, run in recipe.runs.items():
        sees = (run.key, run.value)
        if sees not in contents:
            contents[sees] = content_of(recipe.completed(recipe.view(run)), resolve=True)
        content = contents[sees]
        computed[name] = _fingerprint(content["stages"][run.stage], content["seed"], folders, computed, recipe.targets)
    return computed


def _fingerprint(
    node: dict[str, Any], seed: int, folders: dict[str, str], earlier: dict[str, Fingerprint], targets: Targets
) -> Fingerprint:
    """Compute the fingerprint of a stage from its node, of which references are resolved."""
    arguments = {}
    length = {}
    for path, value in leaves(node):
        written = _relative(value, folders)
        keys = path.split(".")
        if keys[-1] in LENGTH:
            length[path] = written
        if keys[-1] not in MAY_CHANGE_ON_RESUME and keys[0] != MAY_CHANGE_WHOLE:
            arguments[path] = written
    arguments["${seed}"] = seed
    reads = stages_read(node, folders)
    upstream = {name: fingerprint.hash for name, fingerprint in earlier.items() if name in reads}
    inputs = {}
    for path in sorted(set(_paths(node, targets))):
        if _is_outside(path, folders):
            inputs[path] = state_of(Path(path))
    return Fingerprint(arguments, upstream, inputs, length)


def state_of(path: Path) -> str:
    """Describe the content of a file or folder without reading more than small files.

    A file is its size, with a hash of the content below 1 MiB and the time of its last change above; a folder is a hash
    of names, sizes and times (names and sizes, of more than 200,000 files).
    """
    status = path.stat()
    if path.is_file():
        is_small = status.st_size < HASHED_WHOLE_BYTES
        state = hashlib.sha256(path.read_bytes()).hexdigest() if is_small else int(status.st_mtime)
        return f"{status.st_size} bytes, {state}"
    files = sorted(_files(path, ""))
    with_times = len(files) <= MANY_FILES
    lines = []
    for name, size, changed in files:
        lines.append(f"{name}\t{size}\t{changed if with_times else ''}")
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{len(files)} files, {digest}"


def _files(folder: Path, below: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{below}{entry.name}/")
            elif entry.is_file():
                status = entry.stat()
                yield below + entry.name, status.st_size, int(status.st_mtime)


def _relative(value: Any, folders: dict[str, str]) -> Any:
    """Name stage folders by their stage, so that a run that was moved stays what it is."""
    stage = stage_of(value, folders)
    if stage is None:
        return value
    below = PurePath(value).relative_to(folders[stage])
    return (PurePath(f"${{stages.{stage}.out}}") / below).as_posix()


def _paths(value: Any, targets: Targets) -> Iterator[str]:
    """Yield every text that a node, or one below it, takes as a Path."""
    if isinstance(value, list):
        for inner in value:
            yield from _paths(inner, targets)
    elif isinstance(value, dict):
        known = signature(targets.locate(value[TARGET])).arguments if TARGET in value else {}
        for key, inner in value.items():
            yield from _paths(inner, targets)
            if key in known and _is_path(known[key].hint):
                yield from _texts(inner)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)) and TARGET not in value:
        for _, inner in items_of(value):
            yield from _texts(inner)


def _is_path(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return True
    return any(_is_path(inner) for inner in typing.get_args(hint))


def _is_outside(path: str, folders: dict[str, str]) -> bool:
    """Whether ``path`` exists and is neither in a stage's folder nor around one."""
    if not path or not os.path.exists(path):
        return False
    real = os.path.realpath(path)
    stages = [os.path.realpath(folder) for folder in folders.values()]
    return not any(_is_below(real, stage) or _is_below(stage, real) for stage in stages)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _unequal(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return the keys that only one of the two has, or with other values."""
    unequal = []
    for key in first | second:
        if key not in first or key not in second or first[key] != second[key]:
            unequal.append(key)
    return unequal


def _shown_at(values: dict[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "nothing"
