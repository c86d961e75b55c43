"""Check what a recipe needs, before any stage runs: inputs that exist, and devices and memory of this machine."""

import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from recipes.engine.agreement import nodes_below
from recipes.engine.checkpoint_positions import position_problems
from recipes.engine.machine import device_problems, lacks_gpu, memory_problems, too_large, trainer_problems
from recipes.engine.nodes import TARGET, content_of, items_of
from recipes.engine.plan import Step
from recipes.engine.recipe import Recipe
from recipes.engine.resolve import written_at
from recipes.engine.signatures import signature
from recipes.engine.trial_builds import try_nodes
from recipes.engine.upstream_stages import stage_of


def preflight_problems(recipe: Recipe, steps: Sequence[Step], is_dry_run: bool = False) -> list[str]:
    """Return one line for each input that is missing and each number that this machine cannot provide for.

    Args:
        recipe: A checked recipe.
        steps: Plan of the run; only stages that are to run are checked.
        is_dry_run: Whether nothing runs here, so that a machine without a GPU may check a recipe for one.
    """
    problems: list[str] = []
    for step in steps:
        if not step.is_to_run:
            continue
        at = f"stages.{recipe.runs[step.name].stage}"
        content = content_of(recipe.view(step.name))
        node = content_of(recipe.node(step.name), resolve=True)
        folders = {name: run.folder for name, run in recipe.runs.items()}
        found = [*_missing_inputs(node, at, recipe, folders)]
        for below in nodes_below(node, at, recipe.targets):
            if not (is_dry_run and lacks_gpu(below)):
                found += device_problems(below) or trainer_problems(below, recipe.config.jobs > 1)
            found += memory_problems(below)
            found += position_problems(below, recipe.targets)
        problems += [f"{written_at(content, path)}{text}" for path, text in found]
    for at, weights in try_nodes(content_of(recipe.view()), recipe.targets).weights.items():
        problem = too_large(weights)
        if problem:
            problems.append(f"{at}: a network of {weights:,} weights {problem}")
    return [f"{recipe.file}: {problem}" for problem in dict.fromkeys(problems)]


def _missing_inputs(
    node: dict[str, Any], at: str, recipe: Recipe, folders: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield path and problem of each file or folder that a node reads, that no stage writes, and that is not there."""
    known = signature(recipe.targets.locate(node[TARGET])).arguments if TARGET in node else {}
    for key, value in node.items():
        is_input = key in known and isinstance(value, str) and _is_only_path(known[key].hint)
        if is_input and not _is_made(value, folders) and not os.path.exists(value):
            yield f"{at}.{key}", f"={value}: no such file or folder"
        for inner_at, inner in _mappings(value, f"{at}.{key}"):
            yield from _missing_inputs(inner, inner_at, recipe, folders)


def _mappings(value: Any, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the outermost mappings in a value, with their paths."""
    if isinstance(value, dict):
        yield at, value
    elif isinstance(value, list):
        for key, inner in items_of(value):
            yield from _mappings(inner, f"{at}.{key}")


def _is_only_path(hint: Any) -> bool:
    """Whether an argument is a path, or None; a string may also be the name of a checkpoint on the hub."""
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
    return all(isinstance(kind, type) and issubclass(kind, PurePath) for kind in kinds)


def _is_made(path: str, folders: Mapping[str, str]) -> bool:
    """Whether a path lies in the folder of a stage, or contains one."""
    return stage_of(path, folders) is not None or any(PurePath(it).is_relative_to(path) for it in folders.values())
