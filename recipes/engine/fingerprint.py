"""Fingerprints of stages: their arguments, the earlier stages they read, and the state of their input files."""

import hashlib
import json
import os
import typing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from recipes.engine.errors import shown
from recipes.engine.nodes import TARGET, content_of, items_of, leaves
from recipes.engine.recipe import Recipe
from recipes.engine.signatures import signature
from recipes.engine.targets import Targets
from recipes.engine.upstream_stages import stage_of, stages_read

LENGTH = ("max_steps", "max_epochs")
MAY_CHANGE_ON_RESUME = LENGTH + (
    "num_workers",
    "num_processes",
    "batch_seconds",
    "devices",
    "log_every_n_steps",
    "enable_progress_bar",
)
# Nodes below these names only watch a training.
WATCHING = ("logger",)
# The node "engine" says where jobs run, which does not change their results.
MAY_CHANGE_WHOLE = "engine"
HASHED_WHOLE_BYTES = 1 << 20
MANY_FILES = 200_000
TABLE_SUFFIXES = (".jsonl", ".json", ".tsv", ".csv", ".txt", ".gz")


@dataclass(frozen=True)
class Fingerprint:
    """Everything that the result of a stage depends on.

    Args:
        arguments: Value of each argument, by its path in the stage's node. Folders of stages are written as
            ``${stages.NAME.out}``, so that a run folder may be moved.
        upstream: Hash of the fingerprint of every earlier stage whose folder the stage reads, by name.
        inputs: State of every file or folder that the stage reads from outside the run, by path.
        length: Values of ``max_steps`` and ``max_epochs``, by path. A change continues the training of the stage, and
            makes the stages that read it run again.
    """

    arguments: dict[str, Any]
    upstream: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    length: dict[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def differences(self, recorded: "Fingerprint") -> list[str]:
        """Return one line for each difference from the fingerprint of an earlier run; ``length`` is not compared."""
        lines = []
        for key in _unequal(recorded.arguments, self.arguments):
            lines.append(f"{key} from {_shown_at(recorded.arguments, key)} to {_shown_at(self.arguments, key)}")
        lines += [f"{key} has other content" for key in _unequal(recorded.inputs, self.inputs)]
        lines += [f"what it reads of stages.{name}" for name in _unequal(recorded.upstream, self.upstream)]
        return lines


def fingerprints(recipe: Recipe) -> dict[str, Fingerprint]:
    """Compute the fingerprint of every run of a stage, in order."""
    folders = {name: run.folder for name, run in recipe.runs.items()}
    contents: dict[tuple[str | None, Any], dict[str, Any]] = {}
    computed: dict[str, Fingerprint] = {}
    for name, run in recipe.runs.items():
        # Runs with the same key and value have the same view.
        repetition = (run.key, run.value)
        if repetition not in contents:
            contents[repetition] = content_of(recipe.completed(recipe.view(run)), resolve=True)
        content = contents[repetition]
        computed[name] = _fingerprint(content["stages"][run.stage], content["seed"], folders, computed, recipe.targets)
    return computed


def _fingerprint(
    node: dict[str, Any], seed: int, folders: dict[str, str], earlier: dict[str, Fingerprint], targets: Targets
) -> Fingerprint:
    """Compute the fingerprint of one run of a stage.

    Args:
        node: Node of the stage, references followed and defaults written out.
        seed: The recipe's ``seed`` in the view of the run.
        folders: Folder of every run by name.
        earlier: Fingerprints of earlier runs by name.
        targets: Finds the callables that nodes name.
    """
    arguments = {}
    length = {}
    for path, value in leaves(node):
        written = _relative(value, folders)
        keys = path.split(".")
        if keys[-1] in LENGTH:
            length[path] = written
        is_watching = any(key in WATCHING for key in keys)
        if keys[-1] not in MAY_CHANGE_ON_RESUME and keys[0] != MAY_CHANGE_WHOLE and not is_watching:
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
    """Describe the content of a file or folder, without reading files of 1 MiB or more.

    A file is described by its size, and by a hash of its content if it is smaller than 1 MiB, else by the time of its
    last change; a table or manifest by the audio files that it names as well. A folder, and these audio files, are
    described by a hash of the names, sizes and times of the files; of more than 200,000 files, times are left out.
    """
    status = path.stat()
    if path.is_file():
        audio = _audio_state(path)
        is_small = status.st_size < HASHED_WHOLE_BYTES
        state = hashlib.sha256(path.read_bytes()).hexdigest() if is_small else int(status.st_mtime)
        return f"{status.st_size} bytes, {state}{audio}"
    return _listing(sorted(_files(path, ""))) if path.is_dir() else "a special file"


def _audio_state(path: Path) -> str:
    """Describe the audio files that a table or manifest names; empty if it names none."""
    if not path.name.endswith(TABLE_SUFFIXES):
        return ""
    from zoo.corpora.named_audio import named_audio  # takes seconds to import, and few recipes name a table

    paths = sorted({str(audio) for audio in named_audio(path)})
    files = []
    for audio in paths:
        status = os.stat(audio)
        files.append((os.path.relpath(audio, path.parent), status.st_size, int(status.st_mtime)))
    return f", audio: {_listing(files)}" if files else ""


def _listing(files: list[tuple[str, int, int]]) -> str:
    """Describe files by a hash of their names, sizes in bytes and times of change in seconds."""
    with_times = len(files) <= MANY_FILES
    lines = []
    for name, size, changed in files:
        lines.append(f"{name}\t{size}\t{changed if with_times else ''}")
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{len(files)} files, {digest}"


def _files(folder: Path, below: str) -> Iterator[tuple[str, int, int]]:
    """Yield the path (prefixed by ``below``), size in bytes and time of change in seconds of every file in a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{below}{entry.name}/")
            elif entry.is_file():
                status = entry.stat()
                yield below + entry.name, status.st_size, int(status.st_mtime)


def _relative(value: Any, folders: dict[str, str]) -> Any:
    """Return a path in the folder of a stage relative to ``${stages.NAME.out}``, and any other value unchanged."""
    stage = stage_of(value, folders)
    if stage is None:
        return value
    below = PurePath(value).relative_to(folders[stage])
    return (PurePath(f"${{stages.{stage}.out}}") / below).as_posix()


def _paths(value: Any, targets: Targets) -> Iterator[str]:
    """Yield every string in ``value`` that is passed to an argument of type Path."""
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
    """Return whether ``path`` exists, lies in no stage's folder and contains none."""
    if not path or not os.path.exists(path):
        return False
    real = os.path.realpath(path)
    stages = [os.path.realpath(folder) for folder in folders.values()]
    return not any(_is_below(real, stage) or _is_below(stage, real) for stage in stages)


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder


def _unequal(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Return the keys that only one of two mappings has, or that have different values in them."""
    unequal = []
    for key in first | second:
        if key not in first or key not in second or first[key] != second[key]:
            unequal.append(key)
    return unequal


def _shown_at(values: dict[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "nothing"
