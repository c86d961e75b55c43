"""Check the arguments of every node of a recipe against the signature of its target."""

from typing import Any

from recipes.engine.errors import RecipeError, shown
from recipes.engine.library_ranges import with_library_ranges
from recipes.engine.nodes import TARGET, is_node, items_of
from recipes.engine.old_names import renamed_argument
from recipes.engine.resolve import BROKEN, value_at, written_at
from recipes.engine.signatures import Argument, made_by
from recipes.engine.targets import IMPLEMENTATIONS, REFUSED_ARGUMENTS, Targets
from recipes.engine.type_conversion import Made, Mismatch, convert, name_of
from zoo.suggestions import suggest


class NodeCheck:
    """Checks the arguments of nodes against the signatures of their targets.

    Args:
        targets: Finds the callables that the nodes name.
        content: Content of the recipe with references kept, to name the path at which a value is written.
        problems: List to which one line is added for each problem.
    """

    def __init__(self, targets: Targets, content: dict[str, Any], problems: list[str]) -> None:
        self.targets = targets
        self.content = content
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
        known = with_library_ranges(function)
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
            if mismatch.at:
                at = f"{at}.{mismatch.at}"
                value = _inner(value, mismatch.at)
            if isinstance(value, (dict, list)):
                self.problems.append(f"{at}: {mismatch}")
            else:
                self.problems.append(f"{self._written_at(at)}={shown(value)}: {mismatch}")

    def _written_at(self, at: str) -> str:
        try:
            return written_at(self.content, at)
        except (KeyError, IndexError, ValueError):  # below a value that does not have its type
            return at

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


def _inner(value: Any, at: str) -> Any:
    """Return the value at a path below another one, or an empty list if it is not there: an argument is missing."""
    try:
        return value_at(value, at)
    except (KeyError, IndexError, ValueError):
        return []


def _loads_code(key: Any, value: Any) -> bool:
    """Whether an argument makes a library load code from elsewhere."""
    if key in REFUSED_ARGUMENTS:
        return bool(value)
    return str(key).lstrip("_").startswith(IMPLEMENTATIONS) and "/" in str(value)
