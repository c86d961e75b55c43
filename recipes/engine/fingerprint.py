"""What a stage's result depends on: its arguments, the earlier stages it reads, the state of its input data."""

import hashlib
import json
import os
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from omegaconf import OmegaConf

from recipes.engine.check import TARGET, reads, stage_of
from recipes.engine.errors import shown
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
        lines = [
            f"{key} from {_old(made.arguments, key)} to {_old(self.arguments, key)}"
            for key in _unequal(made.arguments, self.arguments)
        ]
        lines += [f"{key} has other content" for key in _unequal(made.inputs, self.inputs)]
        return lines + [f"what it reads of stages.{name}" for name in _unequal(made.upstream, self.upstream)]


def fingerprints(recipe: Recipe) -> dict[str, Fingerprint]:
    """Compute the fingerprint of every stage, in order."""
    content = OmegaConf.to_container(recipe.completed(), resolve=True)
    nodes = content["stages"]
    folders = {name: node["out"] for name, node in nodes.items()}
    found: dict[str, Fingerprint] = {}
    for name, node in nodes.items():
        leaves = {key: _relative(value, folders) for key, value in _leaves(node, "")}
        arguments = {
            key: value
            for key, value in leaves.items()
            if key.split(".")[-1] not in MAY_CHANGE_ON_RESUME and key.split(".")[0] != MAY_CHANGE_WHOLE
        }
        found[name] = Fingerprint(
            arguments | {"${seed}": content["seed"]},
            {other: found[other].hash for other in found if other in reads(node, folders)},
            {
                path: state_of(Path(path))
                for path in sorted(set(_paths(node, recipe.targets)))
                if _is_outside(path, folders)
            },
            {key: value for key, value in leaves.items() if key.split(".")[-1] in LENGTH},
        )
    return found


def state_of(path: Path) -> str:
    """Describe the content of a file or folder without reading more than small files.

    A file is its size, with a hash of the content below 1 MiB and the time of its last change above; a folder is a hash
    of names, sizes and times (names and sizes, of more than 200,000 files).
    """
    status = path.stat()
    if path.is_file():
        small = status.st_size < HASHED_WHOLE_BYTES
        return f"{status.st_size} bytes, {hashlib.sha256(path.read_bytes()).hexdigest() if small else int(status.st_mtime)}"
    files = sorted(_files(path, ""))
    times = len(files) <= MANY_FILES
    text = "\n".join(f"{name}\t{size}\t{changed if times else ''}" for name, size, changed in files)
    return f"{len(files)} files, {hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}"


def _files(folder: Path, below: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{below}{entry.name}/")
            elif entry.is_file():
                status = entry.stat()
                yield below + entry.name, status.st_size, int(status.st_mtime)


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in items:
        yield from _leaves(inner, f"{at}.{key}".lstrip("."))
    if not items:
        yield at, value


def _relative(value: Any, folders: dict[str, str]) -> Any:
    """Name stage folders by their stage, so that a run that was moved stays what it is."""
    stage = stage_of(value, folders)
    return (
        value
        if stage is None
        else (PurePath(f"${{stages.{stage}.out}}") / PurePath(value).relative_to(folders[stage])).as_posix()
    )


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
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _is_path(hint: Any) -> bool:
    return (isinstance(hint, type) and issubclass(hint, PurePath)) or any(
        _is_path(inner) for inner in typing.get_args(hint)
    )


def _is_outside(path: str, folders: dict[str, str]) -> bool:
    """Whether ``path`` exists and is neither in a stage's folder nor around one."""
    if not path or not os.path.exists(path):
        return False
    real = os.path.realpath(path)
    stages = [os.path.realpath(folder) for folder in folders.values()]
    return not any(_is_below(real, stage) or _is_below(stage, real) for stage in stages)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _unequal(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [key for key in one | other if key not in one or key not in other or one[key] != other[key]]


def _old(values: dict[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "nothing"
