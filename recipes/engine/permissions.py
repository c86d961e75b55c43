"""Check that a recipe writes only where it may: each stage into its own folder below ``out``."""

import re
from collections.abc import Mapping
from os.path import normpath
from pathlib import Path, PurePath
from typing import Any

from recipes.engine.errors import RecipeError, shown
from recipes.engine.nodes import TARGET, items_of
from recipes.engine.public_parts import LIBRARIES, WRITTEN_FOLDERS, WRITTEN_NAMES, is_stage
from recipes.engine.targets import Targets, home_name

# What fsspec, which Lightning writes with, takes for an address: file:///x, s3://x, memory:x.
ADDRESS = re.compile(r"\w[\w+.-]*:")
PLAIN_NAME = re.compile(r"\w[\w.+ -]*")


def name_problems(resolved: dict[str, Any]) -> list[str]:
    """Return one line for each name of the recipe or a stage that is not a plain name, and for an invalid ``out``."""
    problems = []
    name = resolved.get("name")
    if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name):
        problems.append(f"name={shown(name)}: want a plain name, without slashes: it names a folder below runs/")
    out = resolved.get("out")
    if not is_run_folder(out):
        problems.append(f"out={shown(out)}: want the folder of this run, such as runs/mine")
    for stage in resolved["stages"]:
        if not isinstance(stage, str) or not PLAIN_NAME.fullmatch(stage):
            problems.append(f"stages.{stage}: want a plain name, without slashes: it names the stage's folder")
    return problems


def is_run_folder(out: Any) -> bool:
    """Whether a value of ``out`` is a folder, and not the root of the disk."""
    if not isinstance(out, str) or not out.strip() or ADDRESS.match(out):
        return False
    return PurePath(normpath(out)) != PurePath(normpath(out)).parent


def place_problems(out: Any) -> list[str]:
    """One line where a recipe file itself names a folder that is not below the working folder."""
    if not is_run_folder(out):
        return []
    if not PurePath(out).is_absolute() and ".." not in PurePath(normpath(out)).parts:
        return _link_problems(out)
    return [f"out={out}: a recipe file may name folders below the working folder only; give it as out=FOLDER instead"]


def _link_problems(out: str) -> list[str]:
    """One line where ``out`` or a folder above it is a link, which may have come with the recipe.

    The first folder of the path may be one: a whole ``runs/`` on another disk is common.
    """
    path = Path(normpath(out))
    for folder in [path, *path.parents][: max(1, len(path.parts) - 1)]:
        if folder.is_symlink():
            return [f"out={out}: {folder} is a link to {folder.resolve()}; remove it, or give out={out} to write there"]
    return []


def folder_problems(out: Any, folders: Mapping[str, Any]) -> list[str]:
    """Return one line for each stage whose folder is not below ``out``.

    Args:
        out: Folder of the recipe's run.
        folders: Folder of every run of a stage, by name.
    """
    problems = []
    for stage, folder in folders.items():
        if not isinstance(folder, str) or not folder.strip():
            problems.append(f"stages.{stage}.out={shown(folder)}: want a folder below {out}")
        elif is_run_folder(out) and not _is_below(folder, out):
            problems.append(f"stages.{stage}.out={folder}: lies outside of the run's folder {out}")
    return problems


def writing_problems(raw: dict[str, Any], resolved: dict[str, Any], targets: Targets) -> list[str]:
    """Return one line for each node that would write outside the run's folder.

    Args:
        raw: Content of the recipe with references kept; a referenced node is checked at its own path.
        resolved: The same content with references followed.
        targets: Finds the callables, and knows which ones the user trusts.
    """
    if not is_run_folder(resolved.get("out")):
        return []  # reported by the check of names
    return _node_problems(raw, resolved, (), resolved["out"], targets)


def _node_problems(raw: Any, resolved: Any, at: tuple[str, ...], out: str, targets: Targets) -> list[str]:
    """Return one line for each misplaced stage and each folder outside ``out``, in all nodes of a value.

    Args:
        raw: Value with references kept.
        resolved: The same value with references followed.
        at: Keys that lead to the value.
        out: Folder of the recipe's run.
        targets: Finds the callables, and knows which ones the user trusts.
    """
    problems = []
    for key, value in items_of(raw):
        problems += _node_problems(value, resolved[key], (*at, str(key)), out, targets)
    if isinstance(raw, dict) and isinstance(raw.get(TARGET), str):
        problems += _target_problems(resolved, at, out, targets)
    return problems


def _target_problems(node: dict[str, Any], at: tuple[str, ...], out: str, targets: Targets) -> list[str]:
    target = node[TARGET]
    try:
        home = home_name(targets.locate(target))
    except RecipeError:
        return []  # reported by the check of the node itself
    if targets.trusts(target) or targets.trusts(home):
        return []
    path = ".".join(at)
    is_stage_place = len(at) == 2 and at[0] == "stages"
    if is_stage(home) and not is_stage_place:
        return [f"{path}.{TARGET}={target}: is a stage, which writes a folder: name it directly below `stages`"]
    if is_stage_place and not is_stage(home):
        return [f"{path}.{TARGET}={target}: is not a stage; a stage is a function of recipes.stages"]
    written: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    if is_stage(home):
        written = ("run",)  # its own folder, `out`, is checked by folder_problems
    elif home.split(".")[0] in LIBRARIES:
        written = WRITTEN_FOLDERS
        names = WRITTEN_NAMES
    outside = [key for key in written if not _may_be_written(node.get(key), out)]
    outside += [key for key in names if isinstance(node.get(key), str) and not _is_inner(node[key])]
    return [
        f"{path}.{key}={shown(node[key])}: would write outside of the run's folder {out}; "
        f"if you trust it: --trust {target}"
        for key in outside
    ]


def _may_be_written(value: Any, out: str) -> bool:
    """Whether an argument is no folder at all, or one below that of the run; an object could be any path."""
    return value is None or isinstance(value, str) and _is_below(value, out)


def _is_inner(name: str) -> bool:
    """Whether the name of a file, perhaps in folders, stays in the folder that it is put in."""
    return not PurePath(name).is_absolute() and ".." not in PurePath(name).parts


def _is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder or lies in it, links apart."""
    if ADDRESS.match(path):
        return False
    return PurePath(normpath(path)).is_relative_to(normpath(folder))
