"""Recipes: YAML files that name classes and their arguments.

A *node* is a mapping with ``_target_``, the dotted name of a class or function; its other keys are that callable's
arguments. ``${name}`` alone as a value is the very object built at ``name``; inside a longer string it is text.

A recipe that differs from a complete one in a few values names it as its ``base`` and lists them below ``set``, by the
dotted paths that the command line takes; ``zoo show`` writes it out whole.

Beside its stages a recipe may say ``seed``, ``out`` (the folder of its stages' folders) and ``jobs`` (how many stages run at
once, each as soon as what it reads is done, sharing the cores; 1 if not said).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, errors

from recipes.engine import bundled as shipped
from recipes.engine.check import TARGET, check, complete
from recipes.engine.errors import RecipeError
from recipes.engine.overrides import assign, override
from recipes.engine.targets import PROJECT, Targets


@dataclass(frozen=True)
class Recipe:
    """A recipe that has passed its check.

    Args:
        file: Where it was read, as messages name it.
        config: As written, overrides applied, references kept.
        targets: Finds the callables that it names.
    """

    file: str
    config: DictConfig
    targets: Targets

    @property
    def stages(self) -> list[str]:
        return list(self.config.stages)

    def folder(self, stage: str) -> Path:
        return Path(self.config.stages[stage].out)

    def completed(self, every: bool = False) -> DictConfig:
        """The recipe with defaults written out: of this project's and of trusted callables, or of ``every`` one."""
        wanted = (
            (lambda name: True) if every else (lambda name: name.split(".")[0] in PROJECT or self.targets.trusts(name))
        )
        return OmegaConf.create(complete(OmegaConf.to_container(self.config), self.targets, wanted))


def load(source: str, overrides: Sequence[str] = (), trust: Sequence[str] = ()) -> Recipe:
    """Read a recipe, apply ``key=value`` overrides and check the whole of it; builds nothing.

    Args:
        source: A shipped recipe's name, or the path of a .yaml file.
        overrides: Such as ``stages.lm.trainer.max_steps=100`` or ``callbacks.0.every=5``; values are YAML.
        trust: Packages that the recipe may name beside the usual ones; they may lie in the working folder.

    Raises:
        RecipeError: With one line per error.
    """
    if trust and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    path = shipped.find(source)
    file = path.name if path.is_relative_to(shipped.ROOT) else str(path)
    content = _over_base(_read(path, file), path.stem, file)
    _set_defaults(content, path.stem)
    problems = override(content, overrides)
    problems += _problems_of_stages(content)
    if problems:
        problems = [f"{file}: {p}" for p in problems]
        if not isinstance(content.get("stages"), dict):
            raise RecipeError(*problems)
    for name, stage in content["stages"].items():
        if isinstance(stage, dict):
            stage.setdefault("out", "${out}/" + str(name))
    config, targets = OmegaConf.create(content), Targets(trust)
    problems += [f"{file}: {p}" for p in check(config, targets)]
    if problems:
        raise RecipeError(*dict.fromkeys(problems))
    return Recipe(file, config, targets)


def _read(path: Path, file: str) -> dict[str, Any]:
    try:
        content = OmegaConf.load(path)
        content = OmegaConf.to_container(content) if OmegaConf.is_config(content) else content
    except (yaml.YAMLError, errors.OmegaConfBaseException, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: not valid YAML: " + " ".join(str(error).split())) from error
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict) or not content:
        raise RecipeError(f"{file}: a recipe is a mapping of names to values, with `stages`; this file is not")
    return content


def _over_base(content: dict[str, Any], stem: str, file: str) -> dict[str, Any]:
    """Return a complete recipe as it is, and one with a ``base`` as that base with what it sets."""
    if "base" not in content or "stages" in content:  # with stages it is complete, and `base` a value of its own
        return content
    changes, strays = content.get("set", {}), content.keys() - {"base", "name", "set"}
    if strays or not isinstance(changes, dict):
        raise RecipeError(
            f"{file}: a recipe over a base has the keys base, name and set (a mapping of paths to values); "
            f"{f'move {sorted(strays)} below set' if strays else 'set is no mapping'}"
        )
    path = shipped.find(str(content["base"]))
    base = _read(path, path.name)
    if "base" in base and "stages" not in base:
        raise RecipeError(
            f"{file}: base={content['base']} is itself over {base['base']}: name that one, so that a reader has two files to read and no more"
        )
    _set_defaults(base, path.stem)
    problems = assign(base, changes)
    if problems:
        raise RecipeError(*(f"{file}: {problem}" for problem in problems))
    return base | {"name": content.get("name", stem)}


def _set_defaults(content: dict[str, Any], name: str) -> None:
    for key, value in {"name": name, "seed": 0, "out": "runs/${name}", "jobs": 1}.items():
        content.setdefault(key, value)


def _problems_of_stages(content: dict[str, Any]) -> list[str]:
    stages = content.get("stages")
    if not isinstance(stages, dict) or not stages:
        return ["stages: missing; a recipe names its stages, each a node with a _target_"]
    return [
        f"stages.{name}: want a node with {TARGET}, got {stage!r}"
        for name, stage in stages.items()
        if not isinstance(stage, dict) or TARGET not in stage
    ]
