"""Recipes: YAML files that name classes and their arguments; read, completed and checked before anything is built.

A *node* is a mapping with ``_target_``, the dotted name of a class or function; its other keys are that callable's
arguments. ``${name}`` alone as a value is the very object built at ``name``; inside a longer string it is text.

A recipe that differs from a complete one in a few values names it as its ``base`` and lists the new values below
``set``, by the dotted paths that the command line takes, and below ``new`` values of its own that the base does not
have; ``zoo show`` prints the result in full. Within a recipe, a node with ``_base_`` is another node with a few values
of its own: see ``recipes.engine.derived_nodes``.

Beside its stages, a recipe may have the keys ``seed`` (default 0), ``out`` (folder in which each stage has its own;
default ``runs/NAME``) and ``jobs`` (how many stages run at once, sharing the cores; default 1). A stage may run several
times, for several seeds or other values: see ``recipes.engine.repeated_stages``.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf, errors

from recipes.engine import bundled
from recipes.engine.bounds import REFERENCE, check_text, reference_problems, size_problems
from recipes.engine.check import check
from recipes.engine.derived_nodes import expand_derived_nodes
from recipes.engine.errors import RecipeError
from recipes.engine.nodes import TARGET, content_of, is_node, leaves, with_defaults
from recipes.engine.overrides import assign, override
from recipes.engine.permissions import place_problems
from recipes.engine.public_parts import PROJECT
from recipes.engine.repeated_stages import StageRun, stage_runs, view
from recipes.engine.targets import Targets
from zoo.error_messages import one_line
from zoo.suggestions import suggest

MAX_WARNINGS = 10
# Names at the top of most recipes, offered for misspelled ones.
SETTINGS = ("corpus", "source", "network", "data", "model", "trainer", "vocoder", "accelerator", "precision")


@dataclass(frozen=True)
class Recipe:
    """A recipe that has passed its check.

    Args:
        file: Name of its file, for messages.
        config: Content of the recipe with overrides applied and references kept.
        targets: Finds the callables that the recipe names.
        runs: All runs of stages by name, in order: one for each stage, several for a repeated stage.
    """

    file: str
    config: DictConfig
    targets: Targets
    runs: Mapping[str, StageRun]
    _views: dict[tuple[str | None, Any], DictConfig] = field(default_factory=dict, repr=False, compare=False)

    @property
    def stages(self) -> list[str]:
        """Names of all runs of stages, such as ``base_0`` and ``base_1`` if the stage ``base`` has two seeds."""
        return list(self.runs)

    def runs_of(self, stage: str) -> list[str]:
        """Return the names of all runs of a stage; for the name of a run, that name; else an empty list."""
        return [run.name for run in self.runs.values() if stage in (run.name, run.stage)]

    def folder(self, stage: str) -> Path:
        """Return the folder of a run of a stage, by the name of the run."""
        return Path(self.runs[stage].folder)

    def view(self, run: StageRun | str | None = None) -> DictConfig:
        """Return the recipe in the view of one run: with the seed of the run, and one folder for each stage.

        Args:
            run: Run of a stage, or its name; None for the view outside repeated stages.
        """
        run = self.runs[run] if isinstance(run, str) else run
        repetition = (None, None) if run is None else (run.key, run.value)
        if repetition not in self._views:
            self._views[repetition] = OmegaConf.create(view(content_of(self.config), self.runs, run))
        return self._views[repetition]

    def node(self, stage: str) -> DictConfig:
        """Return the node of a run of a stage, in the view of the run."""
        return self.view(stage).stages[self.runs[stage].stage]

    def completed(self, config: DictConfig | None = None, every: bool = False) -> DictConfig:
        """Return the recipe with the default arguments of callables written out.

        Args:
            config: View of the recipe. Defaults to the recipe as written.
            every: Whether all defaults are written out; otherwise only those of this project's and of trusted
                callables.
        """

        def is_wanted(target: str) -> bool:
            return every or target.split(".")[0] in PROJECT or self.targets.trusts(target)

        content = content_of(self.config if config is None else config)
        return OmegaConf.create(with_defaults(content, self.targets, is_wanted))

    def written_out(self) -> dict[str, Any]:
        """Return the content with defaults written out, references followed and one stage for each run."""
        content = content_of(self.completed(self.view(), every=True), resolve=True)
        stages = {}
        for name, run in self.runs.items():
            node = self.completed(self.view(run), every=True).stages[run.stage]
            stages[name] = content_of(node, resolve=True)
        return content | {"stages": stages}


def load(source: str, overrides: Sequence[str] = (), trust: Sequence[str] = ()) -> Recipe:
    """Read a recipe, apply overrides and check it as a whole; nothing is built.

    Args:
        source: Name of a bundled recipe, or path of a .yaml file.
        overrides: Strings ``key=value`` such as ``trainer.max_steps=100`` or ``callbacks.0.every=5``; values are YAML.
        trust: Packages, modules or functions that the recipe may name beside the public parts; they may lie in the
            working folder.

    Raises:
        RecipeError: The recipe is invalid; there is one line for each problem.
    """
    if trust and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    path = bundled.find(source)
    file = path.name if path.is_relative_to(bundled.ROOT) else str(path)
    content = _over_base(_read(path, file), path.stem, file)
    _set_defaults(content, path.stem)
    problems = override(content, overrides)
    problems += expand_derived_nodes(content)
    bounds = reference_problems(content) + size_problems(content)
    unusable = _problems_of_nodes(content) + bounds
    problems += unusable
    if unusable:
        raise RecipeError(*[f"{file}: {problem}" for problem in problems])
    for name, stage in content["stages"].items():
        if isinstance(stage, dict):
            stage.setdefault("out", "${out}/" + str(name))
    runs, problems_of_runs = stage_runs(content)
    recipe = Recipe(file, OmegaConf.create(content), Targets(trust), runs)
    problems += problems_of_runs + check(recipe)
    if not any(item.startswith("out=") for item in overrides) and not problems:
        problems += place_problems(recipe.view().out)
    if problems:
        raise RecipeError(*dict.fromkeys(f"{file}: {problem}" for problem in problems))
    for warning in _unused_keys(content):
        print(f"warning: {file}: {warning}", file=sys.stderr)
    return recipe


def _read(path: Path, file: str) -> dict[str, Any]:
    """Read the content of a YAML file.

    Raises:
        RecipeError: The file cannot be read, is not YAML, too large or not a mapping.
    """
    try:
        check_text(path.read_text(encoding="utf-8"), file)
        config = OmegaConf.load(path)
    except (yaml.YAMLError, errors.OmegaConfBaseException, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: not valid YAML: " + one_line(error)) from error
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read: {error.strerror or error}") from error
    if not isinstance(config, DictConfig) or not config:
        raise RecipeError(f"{file}: a recipe is a mapping of names to values, with `stages`; this file is not")
    return content_of(config)


def _over_base(content: dict[str, Any], stem: str, file: str) -> dict[str, Any]:
    """Return the content of a complete recipe unchanged; of one with a ``base``, the base with ``new`` and ``set``.

    Raises:
        RecipeError: The recipe has other keys than base, name, new and set, or its base has a base itself.
    """
    if (
        "base" not in content or "stages" in content
    ):  # a recipe with stages is complete, and `base` an ordinary key of it
        return content
    changes = content.get("set", {})
    additions = content.get("new", {})
    strays = content.keys() - {"base", "name", "new", "set"}
    if strays or not isinstance(changes, dict) or not isinstance(additions, dict):
        remedy = f"move {sorted(strays)} below set" if strays else "set or new is not a mapping"
        raise RecipeError(
            f"{file}: a recipe over a base has the keys base, name, new (a mapping of names that the base does not "
            f"have to values) and set (a mapping of paths to values); {remedy}"
        )
    path = bundled.find(str(content["base"]))
    base = _read(path, path.name)
    if "base" in base and "stages" not in base:
        raise RecipeError(
            f"{file}: base={content['base']} is itself over {base['base']}: name that one, "
            "so that a reader has two files to read and no more"
        )
    _set_defaults(base, path.stem)
    problems = [f"new.{name}: the base has {name}; move it below set" for name in additions if name in base]
    base |= additions
    problems += assign(base, changes)
    if problems:
        raise RecipeError(*[f"{file}: {problem}" for problem in problems])
    return base | {"name": content.get("name", stem)}


def _set_defaults(content: dict[str, Any], name: str) -> None:
    """Add the keys that every recipe has, with their defaults, in place."""
    for key, value in {"name": name, "seed": 0, "out": "runs/${name}", "jobs": 1}.items():
        content.setdefault(key, value)


def _problems_of_nodes(content: dict[str, Any]) -> list[str]:
    """Return one line for missing stages, or for each stage that is not a node."""
    stages = content.get("stages")
    if not isinstance(stages, dict) or not stages:
        return ["stages: missing; a recipe names its stages, each a node with a _target_"]
    problems = []
    for name, stage in stages.items():
        if not is_node(stage):
            problems.append(f"stages.{name}: want a node with {TARGET}, got {stage!r}")
    return problems


def _unused_keys(content: dict[Any, Any]) -> list[str]:
    """Return one line for each top-level key that nothing refers to: it may be misspelled or left over."""
    texts = [text for _, text in leaves(content) if isinstance(text, str)]
    references = [reference for text in texts for reference in REFERENCE.findall(text)]
    used = {reference.strip(" .").partition(".")[0].partition("[")[0] for reference in references}
    used |= {"name", "seed", "out", "jobs", "stages"}
    unused = [str(key) for key in content if str(key) not in used]
    others = [str(key) for key in content if str(key) in used]
    warnings = []
    for key in unused[:MAX_WARNINGS]:
        warnings.append(f"{key}: nothing in the recipe refers to it; {suggest(key, [*others[:100], *SETTINGS])}")
    if len(unused) > MAX_WARNINGS:
        warnings.append(f"and {len(unused) - MAX_WARNINGS} more values that nothing refers to")
    return warnings
