"""Repeated stages, which run once for each seed, fold or other value.

``seeds: [0, 1, 2]`` beside the ``_target_`` of a stage ``base`` makes three stages of it: ``base_0``, ``base_1`` and
``base_2``, each with its own folder, record and fingerprint. While ``base_1`` runs, the recipe's top-level ``seed`` is
1 in everything that its node references, so that ``${network}`` and ``${data}`` use that seed; the folders of other
stages do not change. ``for_each: {fold: [0, 1]}`` does the same with the top-level key ``fold``.

A stage that reads a repeated one says which run it means:

- ``${stages.base.out}`` within a stage that is repeated over the same values is the run of the same value.
- ``${stages.base.outs}`` lists the folders of all runs. A text around it, such as ``${stages.base.outs}/model``, is a
  list of such texts; as an item of a list it is as many items.
- ``${stages.base.outs.0}`` is the folder of the first run.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, errors

from recipes.engine.errors import shown
from zoo.suggestions import suggest

SEEDS = "seeds"
FOR_EACH = "for_each"
MAX_RUNS = 32
REPETITION = (SEEDS, FOR_EACH)
FOLDERS = re.compile(r"\$\{stages\.([^.{}\[\]]+)\.outs(?:\.(\d+)|\[(\d+)\])?\}")
NAMEABLE = re.compile(r"[A-Za-z0-9._-]+")
NO_SINGLE_FOLDER = "<the folder of one run of stages.{}>"


@dataclass(frozen=True)
class StageRun:
    """One run of a stage.

    Args:
        name: Name of the run: ``base`` if the stage runs once, ``base_1`` for a run of a repeated stage.
        stage: Name of the stage in the recipe.
        folder: Folder that the run writes.
        key: Top-level key of the recipe that the run sets; None if the stage runs once.
        value: Value that the key is set to.
    """

    name: str
    stage: str
    folder: str
    key: str | None = None
    value: Any = None


def stage_runs(content: Mapping[str, Any]) -> tuple[dict[str, StageRun], list[str]]:
    """Return all runs of stages by name, in the order of the recipe, and one line for each invalid repetition."""
    config = OmegaConf.create(dict(content))
    runs: dict[str, StageRun] = {}
    problems: list[str] = []
    for stage, node in content["stages"].items():
        if not isinstance(node, dict):
            continue
        for run in _runs_of(stage, config, problems):
            if run.name in runs:
                problems.append(f"stages.{stage}: its run {run.name} has the name of another stage; rename one")
            runs[run.name] = run
    return runs, problems


def view(content: Mapping[str, Any], runs: Mapping[str, StageRun], viewer: StageRun | None = None) -> dict[str, Any]:
    """Return a recipe's content in the view of one run.

    Args:
        content: Content of the recipe as written, with ``out`` for every stage.
        runs: All runs of stages by name.
        viewer: The run; None, or a run of a stage that runs once, for the view outside repeated stages.
    """
    by_stage: dict[str, list[StageRun]] = {}
    for run in runs.values():
        by_stage.setdefault(run.stage, []).append(run)
    seen = {key: _with_folders(value, by_stage) for key, value in content.items()}
    is_repeated = viewer is not None and viewer.key is not None
    if viewer is not None and viewer.key is not None:
        seen["out"] = _resolved(OmegaConf.create(dict(content)), "out")
        seen[viewer.key] = viewer.value
    for name, node in seen["stages"].items():
        if not isinstance(node, dict):
            continue
        for key in REPETITION:
            node.pop(key, None)
        if by_stage[name][0].key is not None:
            node["out"] = _folder_seen(name, by_stage[name], viewer)
        elif is_repeated:  # the folders of other stages do not follow the seed
            node["out"] = by_stage[name][0].folder
    return seen


def unpaired(stage: str, text: str, runs: Mapping[str, StageRun]) -> str | None:
    """Return an error line if a text refers to the folder of a repeated stage without choosing a run; else None.

    Args:
        stage: Name of the stage whose node contains the text.
        text: Value of the node, with references followed.
        runs: All runs of stages by name.
    """
    for run in runs.values():
        if run.key is None or NO_SINGLE_FOLDER.format(run.stage) not in text:
            continue
        other = f"stages.{run.stage}"
        return (
            f"stages.{stage}: reads ${{{other}.out}}, but {other} runs once a {run.key}: "
            f"${{{other}.outs}} are the folders of all its runs, ${{{other}.outs.0}} is the first; "
            f"a stage that runs over the same values reads the run of the same {run.key}"
        )
    return None


def _runs_of(stage: str, config: DictConfig, problems: list[str]) -> list[StageRun]:
    folder = _resolved(config, f"stages.{stage}.out")
    key, values = _repetition(stage, config, problems)
    if key is None:
        return [StageRun(stage, stage, folder)]
    return [StageRun(f"{stage}_{value}", stage, f"{folder}_{value}", key, value) for value in values]


def _repetition(stage: str, config: DictConfig, problems: list[str]) -> tuple[str | None, list[Any]]:
    """Return the key that a stage is repeated over and its values; (None, []) for a stage that runs once."""
    node = config.stages[stage]
    at = f"stages.{stage}"
    if not any(key in node for key in REPETITION):
        return None, []
    if all(key in node for key in REPETITION):
        problems.append(f"{at}: has both seeds and for_each; seeds is short for for_each: {{seed: [...]}}")
        return None, []
    if SEEDS in node:
        return _checked(f"{at}.{SEEDS}", "seed", _resolved(config, f"{at}.{SEEDS}"), config, problems)
    repeated = _resolved(config, f"{at}.{FOR_EACH}")
    if not isinstance(repeated, dict) or len(repeated) != 1:
        problems.append(f"{at}.{FOR_EACH}: want one top-level key and its values, such as {{fold: [0, 1]}}")
        return None, []
    key, values = next(iter(repeated.items()))
    return _checked(f"{at}.{FOR_EACH}.{key}", str(key), values, config, problems)


def _checked(at: str, key: str, values: Any, config: DictConfig, problems: list[str]) -> tuple[str | None, list[Any]]:
    """Return the key and the values if they are valid; else add a line to ``problems`` and return (None, [])."""
    if key not in config:
        problems.append(f"{at}: the recipe has no {key!r} to set; {suggest(key, [str(name) for name in config])}")
        return None, []
    if not isinstance(values, list) or not values or len({str(value) for value in values}) != len(values):
        problems.append(f"{at}={shown(values)}: want a list of different values, such as [0, 1, 2]")
        return None, []
    if len(values) > MAX_RUNS:
        problems.append(f"{at}: {len(values)} values; a stage runs at most {MAX_RUNS} times")
        return None, []
    for value in values:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        is_name = isinstance(value, str) and NAMEABLE.fullmatch(value) is not None
        if not is_number and (key == "seed" or not is_name):
            wanted = "whole numbers" if key == "seed" else "whole numbers or names, which folders are named by"
            problems.append(f"{at}={shown(values)}: want {wanted}, got {shown(value)}")
            return None, []
    return key, values


def _folder_seen(stage: str, runs: Sequence[StageRun], viewer: StageRun | None) -> str:
    """Return what ``${stages.STAGE.out}`` of a repeated stage means in the view of a run."""
    if viewer is not None:
        for run in runs:
            if run.key == viewer.key and run.value == viewer.value:
                return run.folder
    return NO_SINGLE_FOLDER.format(stage)


def _with_folders(value: Any, by_stage: Mapping[str, Sequence[StageRun]]) -> Any:
    """Return ``value`` with every ``${stages.NAME.outs}`` in it replaced by the folders of the runs."""
    if isinstance(value, dict):
        return {key: _with_folders(inner, by_stage) for key, inner in value.items()}
    if isinstance(value, list):
        items: list[Any] = []
        for inner in value:
            replaced = _with_folders(inner, by_stage)
            is_spread = isinstance(inner, str) and isinstance(replaced, list)
            items += replaced if is_spread else [replaced]
        return items
    return _texts(value, by_stage) if isinstance(value, str) else value


def _texts(text: str, by_stage: Mapping[str, Sequence[StageRun]]) -> str | list[str]:
    """Return a text for each folder that ``${stages.NAME.outs}`` in ``text`` stands for, or one text without it."""
    match = FOLDERS.search(text)
    if match is None or match[1] not in by_stage:
        return text
    folders = [run.folder if run.key else f"${{stages.{run.stage}.out}}" for run in by_stage[match[1]]]
    position = match[2] or match[3]
    if position is None:
        return [text[: match.start()] + folder + text[match.end() :] for folder in folders]
    if int(position) >= len(folders):
        return text  # there is no such run, which the check reports
    return text[: match.start()] + folders[int(position)] + text[match.end() :]


def _resolved(config: DictConfig, path: str) -> Any:
    """Return the value at ``path`` with references followed, or as written if they cannot be followed."""
    try:
        value = OmegaConf.select(config, path)
        is_container = isinstance(value, (DictConfig, ListConfig))
        return OmegaConf.to_container(value, resolve=True) if is_container else value
    except (errors.OmegaConfBaseException, RecursionError):
        value: Any = OmegaConf.to_container(config)
        for key in path.split("."):
            value = value[key]
        return value
