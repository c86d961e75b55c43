"""Check a whole recipe before any stage runs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recipes.engine.errors import RecipeError, shown
from recipes.engine.nodes import TARGET, content_of, is_node, items_of, leaves
from recipes.engine.old_names import renamed_argument
from recipes.engine.permissions import folder_problems, name_problems, writing_problems
from recipes.engine.repeated_stages import StageRun, unpaired
from recipes.engine.resolve import BROKEN, resolve
from recipes.engine.signatures import Argument, made_by, signature
from recipes.engine.targets import IMPLEMENTATIONS, REFUSED_ARGUMENTS, Targets
from recipes.engine.type_conversion import Made, Mismatch, convert, name_of
from recipes.engine.upstream_stages import stages_read
from zoo.suggestions import suggest

if TYPE_CHECKING:
    from recipes.engine.recipe import Recipe


def check(recipe: "Recipe") -> list[str]:
    """Compare the arguments of every node with the signature of its target, in the view of every run of a stage.

    Returns:
        One line per problem, each once, in the order of the recipe.
    """
    problems: list[str] = []
    out: Any = None
    nodes: dict[str, Any] = {}
    for viewer in [None, *recipe.runs.values()]:
        if viewer is not None and viewer.key is None:
            continue  # a stage that runs once has the same view as None, which was checked first
        config = recipe.view(viewer)
        resolved, unresolved = resolve(config)
        problems += unresolved
        _NodeCheck(recipe.targets, problems).visit(content_of(config), resolved, "")
        problems += writing_problems(content_of(config), resolved, recipe.targets)
        if viewer is None:
            out = resolved.get("out")
            problems += name_problems(resolved)
        problems += _problems_of_settings(resolved)
        for run in recipe.runs.values():
            if run.key is None and viewer is None or run is viewer:
                nodes[run.name] = resolved["stages"][run.stage]
    folders = {name: node.get("out") for name, node in nodes.items()}
    problems += folder_problems(out, folders)
    problems += _problems_of_stages(recipe.runs, {name: nodes[name] for name in recipe.runs})
    return list(dict.fromkeys(problems))


class _NodeCheck:
    """Checks the arguments of nodes against the signatures of their targets.

    Args:
        targets: Finds the callables that the nodes name.
        problems: List to which one line is added for each problem.
    """

    def __init__(self, targets: Targets, problems: list[str]) -> None:
        self.targets = targets
        self.problems = problems

    def visit(self, raw: Any, resolved: Any, at: str) -> None:
        """Check every node in a value.

        Args:
            raw: Value with references kept; what a reference leads to is checked at its own path.
            resolved: The same value with references followed.
            at: Dotted path of the value.
        """
        if isinstance(raw, str):
            self._text(resolved, at)
            return
        for key, value in items_of(raw):
            if key != TARGET:
                self.visit(value, resolved[key], f"{at}.{key}".lstrip("."))
        if is_node(raw):
            self._node(resolved, at)

    def _text(self, resolved: Any, at: str) -> None:
        is_command = isinstance(resolved, str) and resolved.lstrip().startswith("pipe:")
        if is_command and not self.targets.trusts("lhotse"):
            self.problems.append(
                f"{at}={resolved}: runs a shell command and is refused in recipes; "
                "if you trust this recipe: --trust lhotse"
            )

    def _node(self, node: dict[str, Any], at: str) -> None:
        target = node[TARGET]
        try:
            function = self.targets.locate(target)
        except RecipeError as error:
            self.problems.append(f"{at}.{TARGET}: {error}")
            return
        if made_by(function) in (None, type(None)) and not at.startswith("stages."):
            self.problems.append(
                f"{at}.{TARGET}={target}: makes nothing; name a class, or a function that returns a value"
            )
        known = signature(function)
        package = target.split(".")[0]
        for key, value in node.items():
            if key == TARGET:
                continue
            if _loads_code(key, value) and not self.targets.trusts(package):
                self.problems.append(
                    f"{at}.{key}={shown(value)}: runs code from elsewhere and is refused in recipes; "
                    f"if you trust it: --trust {package}"
                )
            elif key in known.arguments:
                self._argument(known.arguments[key], value, f"{at}.{key}")
            elif not known.is_open:
                remedy = renamed_argument(target, key, known.arguments) or suggest(key, known.arguments)
                self.problems.append(f"{at}.{key}={shown(value)}: {target} has no argument {key!r}; {remedy}")
        for name, argument in known.arguments.items():
            if argument.required and name not in node:
                self.problems.append(f"{at}.{name}: missing; {target} needs it ({name_of(argument.hint)})")

    def _argument(self, argument: Argument, value: Any, at: str) -> None:
        if value is None and argument.default is None:
            return
        try:
            convert(argument.hint, self._made(value))
        except Mismatch as mismatch:
            at = f"{at}.{mismatch.at}" if mismatch.at else at
            is_shown = not isinstance(value, (dict, list))
            self.problems.append(f"{at}={shown(value)}: {mismatch}" if is_shown else f"{at}: {mismatch}")

    def _made(self, value: Any) -> Any:
        """Return ``value`` with every node in it replaced by a ``Made`` of the type that the node returns."""
        if value is BROKEN:
            return Made(Any, "")
        if isinstance(value, list):
            return [self._made(item) for item in value]
        if not isinstance(value, dict):
            return value
        if not is_node(value):
            return {key: self._made(item) for key, item in value.items()}
        try:
            function = self.targets.locate(value[TARGET])
        except RecipeError:
            return Made(Any, "")
        return Made(made_by(function), value[TARGET], is_exact=isinstance(function, type))


def _problems_of_settings(resolved: Mapping[str, Any]) -> list[str]:
    """Return one line for each invalid value of the recipe's ``seed`` and ``jobs``."""
    problems = []
    seed = resolved.get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int):
        problems.append(f"seed={shown(seed)}: want int")
    jobs = resolved.get("jobs", 1)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        problems.append(f"jobs={shown(jobs)}: want a whole number of 1 or more")
    return problems


def _problems_of_stages(runs: Mapping[str, StageRun], nodes: Mapping[str, Any]) -> list[str]:
    """Return one line for each stage that shares a folder, reads from a later stage, or reads an ambiguous run.

    Args:
        runs: All runs of stages by name.
        nodes: Node of each run by name, references followed.
    """
    problems = []
    folders = {name: node.get("out") for name, node in nodes.items()}
    names = list(nodes)
    for position, name in enumerate(names):
        folder = folders[name]
        for other in names[:position]:
            if folder == folders[other]:
                problems.append(
                    f"stages.{name}.out={folder}: stages.{other} has the same folder; each stage needs its own"
                )
        reads = stages_read(nodes[name], folders)
        for other in names[position + 1 :]:
            if other in reads:
                problems.append(
                    f"stages.{name}: reads {folders[other]}, which stages.{other} writes only after it; "
                    f"move {other} before {name}"
                )
        for _, text in leaves(nodes[name]):
            problem = unpaired(runs[name].stage, text, runs) if isinstance(text, str) else None
            if problem is not None:
                problems.append(problem)
    return problems


def _loads_code(key: Any, value: Any) -> bool:
    """Whether an argument makes a library load code from elsewhere."""
    if key in REFUSED_ARGUMENTS:
        return bool(value)
    return str(key).lstrip("_").startswith(IMPLEMENTATIONS) and "/" in str(value)
