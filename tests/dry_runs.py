"""Dry runs of documented commands, in a folder with a small corpus at FOLDER and OTHER."""

import contextlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import yaml

from recipes.engine import bundled
from recipes.engine.plan import plan, refuse
from recipes.engine.preflight import preflight_problems
from recipes.engine.recipe import Recipe, load

MISSING = ": no such file or folder"
PLACEHOLDERS = ("FOLDER", "OTHER")


def write_placeholders(root: Path) -> Path:
    """Write a small corpus for each placeholder, with folders for saved extractors below it; return ``root``."""
    for name in PLACEHOLDERS:
        for part in ("Hu", "Pi", "St"):
            (root / name / part).mkdir(parents=True)
        for number in range(2):
            samples = 0.1 * np.random.default_rng(number).standard_normal(16000)
            soundfile.write(root / name / f"{number}.wav", samples, 16000)
            (root / name / f"{number}.txt").write_text("a b")
    return root


def dry_run(name: str, overrides: Sequence[str], root: Path, stage: str | None = None) -> Recipe:
    """Do what ``zoo run --dry-run`` does in the folder ``root``.

    What a recipe reads of another one's run, such as ``runs/digits/language_model/model``, may be missing if the other
    recipe has that stage.

    Raises:
        ValueError: The command is refused.
    """
    with contextlib.chdir(root):
        recipe = load(name, overrides)
        steps = plan(recipe, stage)
        if stage is None:
            refuse(recipe, steps)
        for problem in preflight_problems(recipe, steps, is_dry_run=True):
            if not problem.endswith(MISSING) or not is_made_by_a_recipe(problem.removesuffix(MISSING).split("=")[-1]):
                raise ValueError(problem)
    return recipe


def is_made_by_a_recipe(path: str) -> bool:
    """Whether a path is below the folder of a stage of a bundled recipe's run."""
    parts = Path(os.path.normpath(path)).parts
    return len(parts) > 2 and parts[0] == "runs" and parts[2] in stages_by_run().get(parts[1], ())


@cache
def stages_by_run() -> dict[str, frozenset[str]]:
    """Names of the stages of each bundled recipe, by the name of its run."""
    stages = {}
    for name in bundled.names():
        path = bundled.find(name)
        content = yaml.safe_load(path.read_text())
        base = content if "stages" in content else yaml.safe_load(bundled.find(content["base"]).read_text())
        stages[content.get("name", path.stem)] = frozenset(base["stages"])
    return stages
