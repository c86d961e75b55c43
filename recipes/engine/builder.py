"""Build the objects that the nodes of a recipe describe."""

from typing import Any

from recipes.engine.errors import RecipeError, is_disk_full
from recipes.engine.nodes import TARGET, content_of
from recipes.engine.recipe import Recipe
from recipes.engine.resolve import home_of, value_at, written_at
from recipes.engine.signatures import Argument, signature
from recipes.engine.type_conversion import Mismatch, convert
from zoo.error_messages import one_line


class Builder:
    """Builds the nodes of a recipe; a node that is referenced several times is built once.

    Each stage has its own builder, so that a network that one stage has trained is built anew for the next.

    Args:
        recipe: A checked recipe.
        run: Name of the stage's run that objects are built for; None for objects outside repeated stages.
    """

    def __init__(self, recipe: Recipe, run: str | None = None) -> None:
        self.recipe = recipe
        config = recipe.view(run)
        self.raw = content_of(config)
        self.resolved = content_of(config, resolve=True)
        self.built: dict[str, Any] = {}

    def __call__(self, at: str) -> Any:
        """Build the object at a dotted path such as ``stages.train.model``, or return it if it has been built.

        Raises:
            RecipeError: A constructor raised an error about its arguments.
        """
        at = written_at(self.raw, at)
        return self._build(value_at(self.raw, at), value_at(self.resolved, at), at)

    def arguments(self, at: str) -> dict[str, Any]:
        """Build the arguments of the node at ``at`` without calling its target."""
        raw = value_at(self.raw, at)
        resolved = value_at(self.resolved, at)
        known = signature(self.recipe.targets.locate(raw[TARGET])).arguments
        built = {}
        for key in raw:
            if key != TARGET:
                built[key] = self._build(raw[key], resolved[key], f"{at}.{key}")
        return {key: self._converted(known.get(key), value, f"{at}.{key}") for key, value in built.items()}

    def _build(self, raw: Any, resolved: Any, at: str) -> Any:
        if isinstance(raw, str) and isinstance(resolved, (dict, list)):
            home = home_of(raw, at)
            return self(home) if home else self._build(resolved, resolved, at)
        if not isinstance(raw, (dict, list)):
            return resolved
        if at not in self.built:
            if isinstance(raw, list):
                items = enumerate(zip(raw, resolved, strict=True))
                self.built[at] = [self._build(item, value, f"{at}.{index}") for index, (item, value) in items]
            elif TARGET in raw:
                self.built[at] = self._call(raw[TARGET], at)
            else:
                self.built[at] = {key: self._build(raw[key], resolved[key], f"{at}.{key}") for key in raw}
        return self.built[at]

    def _call(self, target: str, at: str) -> Any:
        arguments = self.arguments(at)
        try:
            return self.recipe.targets.locate(target)(**arguments)
        except RecipeError:
            raise
        except Exception as error:  # constructors of libraries raise errors of any kind about their arguments
            if is_disk_full(error):
                raise
            is_message = isinstance(error, (ValueError, TypeError, OSError))
            reason = one_line(error) if is_message else f"{type(error).__name__}: {one_line(error)}"
            raise RecipeError(f"{self.recipe.file}: {at}: {reason}") from error

    def _converted(self, argument: Argument | None, value: Any, at: str) -> Any:
        if argument is None or (value is None and argument.default is None):
            return value
        try:
            return convert(argument.hint, value)
        except Mismatch as mismatch:
            raise RecipeError(f"{self.recipe.file}: {at}: {mismatch}") from mismatch
