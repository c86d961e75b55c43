"""The check of a whole recipe before any work, and the writing out of defaults."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf

from recipes.engine.errors import RecipeError, shown
from recipes.engine.resolve import BROKEN, resolve
from recipes.engine.signatures import made_by, signature
from recipes.engine.targets import REFUSED_ARGUMENTS, Targets
from recipes.engine.type_conversion import Made, Mismatch, convert, name_of
from zoo.suggestions import suggest

TARGET = "_target_"


def check(config: DictConfig, targets: Targets) -> list[str]:
    """Compare every node with the callable it names; return one line per problem, in the order of the recipe."""
    resolved, problems = resolve(config)
    checker = _Checker(targets, problems)
    checker.visit(OmegaConf.to_container(config), resolved, "")
    checker.stages(resolved)
    return problems


class _Checker:
    def __init__(self, targets: Targets, problems: list[str]) -> None:
        self.targets, self.problems = targets, problems

    def visit(self, raw: Any, resolved: Any, at: str) -> None:
        """Check every node below; what a reference leads to is checked where it is written."""
        if isinstance(raw, str):
            if (
                isinstance(resolved, str)
                and resolved.lstrip().startswith("pipe:")
                and not self.targets.trusts("lhotse")
            ):
                self.problems.append(
                    f"{at}={resolved}: runs a shell command and is refused in recipes; if you trust this recipe: --trust lhotse"
                )
            return
        items = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ()
        for key, value in items:
            if key != TARGET:
                self.visit(value, resolved[key], f"{at}.{key}".lstrip("."))
        if isinstance(raw, dict) and TARGET in raw:
            self._node(resolved, at)

    def _node(self, node: dict[str, Any], at: str) -> None:
        target = node[TARGET]
        try:
            function = self.targets.locate(target)
        except RecipeError as error:
            self.problems.append(f"{at}.{TARGET}: {error}")
            return
        known = signature(function)
        for key, value in node.items():
            if key == TARGET:
                continue
            if key in REFUSED_ARGUMENTS and value and not self.targets.trusts(target.split(".")[0]):
                self.problems.append(
                    f"{at}.{key}={shown(value)}: runs code from elsewhere and is refused in recipes; if you trust it: --trust {target.split('.')[0]}"
                )
            elif key in known.arguments:
                self._argument(known.arguments[key], value, f"{at}.{key}")
            elif not known.is_open:
                self.problems.append(
                    f"{at}.{key}={shown(value)}: {target} has no argument {key!r}; {suggest(key, known.arguments)}"
                )
        for name, argument in known.arguments.items():
            if argument.required and name not in node:
                self.problems.append(f"{at}.{name}: missing; {target} needs it ({name_of(argument.hint)})")

    def _argument(self, argument: Any, value: Any, at: str) -> None:
        if value is None and argument.default is None:
            return
        try:
            convert(argument.hint, self._made(value))
        except Mismatch as mismatch:
            at = f"{at}.{mismatch.at}" if mismatch.at else at
            self.problems.append(
                f"{at}={shown(value)}: {mismatch}" if not isinstance(value, (dict, list)) else f"{at}: {mismatch}"
            )

    def _made(self, value: Any) -> Any:
        """``value`` with every node in it replaced by what stands for its object."""
        if value is BROKEN:
            return Made(Any, "")
        if isinstance(value, list):
            return [self._made(v) for v in value]
        if not isinstance(value, dict):
            return value
        if TARGET not in value:
            return {k: self._made(v) for k, v in value.items()}
        try:
            function = self.targets.locate(value[TARGET])
        except RecipeError:
            return Made(Any, "")
        return Made(made_by(function), value[TARGET], is_exact=isinstance(function, type))

    def stages(self, resolved: dict[str, Any]) -> None:
        """Each stage needs a folder of its own, and reads only what stages before it have made."""
        stages = {name: stage for name, stage in resolved["stages"].items() if isinstance(stage, dict)}
        folders = {name: stage.get("out") for name, stage in stages.items()}
        if isinstance(resolved.get("seed"), bool) or not isinstance(resolved.get("seed"), int):
            self.problems.append(f"seed={shown(resolved.get('seed'))}: want int")
        if isinstance(jobs := resolved.get("jobs", 1), bool) or not isinstance(jobs, int) or jobs < 1:
            self.problems.append(f"jobs={shown(jobs)}: want a whole number of 1 or more")
        for place, (name, folder) in enumerate(folders.items()):
            for other in list(folders)[:place]:
                if folder == folders[other]:
                    self.problems.append(
                        f"stages.{name}.out={folder}: it is the folder of stages.{other} too; each stage needs its own"
                    )
            for other in list(folders)[place + 1 :]:
                if other in reads(stages[name], folders):
                    self.problems.append(
                        f"stages.{name}: reads {folders[other]}, which stages.{other} makes only after it; move {other} before {name}"
                    )


def reads(node: Any, folders: dict[str, str]) -> set[str]:
    """Names of the stages in whose folders a text anywhere in ``node`` lies."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    owner = stage_of(node, folders)
    return set().union(*(reads(value, folders) for value in inner)) | ({owner} if owner else set())


def stage_of(text: Any, folders: dict[str, str]) -> str | None:
    """The stage in whose folder the path ``text`` lies; the inner one, where a stage's folder is in another's."""
    if not isinstance(text, str) or not text:
        return None
    around = [
        name for name, folder in folders.items() if isinstance(folder, str) and PurePath(text).is_relative_to(folder)
    ]
    return max(around, key=lambda name: len(PurePath(folders[name]).parts), default=None)


def complete(raw: Any, targets: Targets, wanted: Callable[[str], bool]) -> Any:
    """Return ``raw`` with the defaults of every node whose target is ``wanted`` written out."""
    if isinstance(raw, list):
        return [complete(value, targets, wanted) for value in raw]
    if not isinstance(raw, dict):
        return raw
    raw = {key: complete(value, targets, wanted) for key, value in raw.items()}
    if TARGET in raw and wanted(raw[TARGET]):
        for name, argument in signature(targets.locate(raw[TARGET])).arguments.items():
            if name not in raw and not argument.required and _is_writable(argument.default):
                raw[name] = _written(argument.default)
    return raw


def _written(value: Any) -> Any:
    """A default as a recipe file would hold it, so that it equals what is read back: no tuples, no paths."""
    if isinstance(value, (list, tuple)):
        return [_written(v) for v in value]
    if isinstance(value, dict):
        return {k: _written(v) for k, v in value.items()}
    return str(value) if isinstance(value, PurePath) else value


def _is_writable(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_writable(v) for v in value)
    if isinstance(value, dict):
        return all(isinstance(k, (str, int)) and _is_writable(v) for k, v in value.items())
    return value is None or isinstance(value, PurePath) or type(value) in (bool, int, float, str)
