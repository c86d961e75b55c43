"""Bounds on what a recipe may grow to, checked before anything of it is expanded.

A few lines of YAML can stand for billions of values: by nesting, by aliases of aliases, or by references to references.
All of them are counted here without being expanded.
"""

import re
from typing import Any

import yaml

from recipes.engine.errors import RecipeError

MAX_BYTES = 128 * 1024
MAX_DEPTH = 40
MAX_VALUES = 20_000
MAX_CHARACTERS = 1_000_000
REFERENCE = re.compile(r"\$\{([^${}]*)\}")
NESTED = re.compile(r"\$\{[^{}]*\$\{")
RESOLVER = re.compile(r"\$\{\s*([^{}:.\s]+(?:\.[^{}:.\s]+)*)\s*:")


def check_text(text: str, file: str) -> None:
    """Refuse YAML text that is too long, too deep, or too large once its aliases are expanded.

    Args:
        text: Content of a recipe file, or one value from the command line.
        file: Name for the message.

    Raises:
        RecipeError: With the bound that is exceeded.
        yaml.YAMLError: The text is no YAML.
    """
    if len(text) > MAX_BYTES:
        raise RecipeError(f"{file}: {len(text):,} characters; a recipe has at most {MAX_BYTES:,}")
    depth = 0
    count = 0
    open_anchors: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}  # values below each anchor
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            open_anchors.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, before = open_anchors.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
        if depth > MAX_DEPTH:
            raise RecipeError(f"{file}: nested deeper than {MAX_DEPTH} levels; a recipe is no deeper than that")
        if count > MAX_VALUES:
            raise RecipeError(f"{file}: more than {MAX_VALUES:,} values once its aliases are expanded")


def reference_problems(content: Any, at: str = "") -> list[str]:
    """One line for each reference that is more than a path in the recipe.

    Resolvers such as ``${oc.env:HOME}`` read what is not in the recipe; the size of references inside of references
    cannot be bounded before they are followed.
    """
    if isinstance(content, str):
        shown = f"{at}={content[:80]}"
        if NESTED.search(content):
            return [f"{shown}: a reference inside of a reference is refused; write the path out"]
        resolver = RESOLVER.search(content)
        if resolver is None:
            return []
        return [
            f"{shown}: ${{{resolver[1]}:...}} reads what is not in the recipe and is refused; write the value, or give "
            f"it on the command line as {at}=VALUE"
        ]
    problems = []
    for key, value in _items(content):
        problems += reference_problems(value, f"{at}.{key}".lstrip("."))
    return problems


def size_problems(content: dict[Any, Any]) -> list[str]:
    """One line where following the references of a recipe would give more values or text than the bounds allow."""
    sizes = _Sizes(content)
    for name, value in content.items():
        if sizes.of(value, str(name)) > MAX_CHARACTERS:
            return [f"{name}: more than {MAX_CHARACTERS:,} characters once its references are followed"]
    return []


class _Sizes:
    """Characters and values that a value stands for; each place of the recipe is counted once and remembered."""

    def __init__(self, content: dict[Any, Any]) -> None:
        self.content = content
        self.known: dict[str, int] = {}
        self.waiting: set[str] = set()

    def of(self, value: Any, at: str) -> int:
        """Size of the value at ``at``; references that lead nowhere or back count as their own text."""
        if isinstance(value, str):
            return len(value) + sum(self._of_place(path, at) for path in REFERENCE.findall(value))
        total = 1
        for key, inner in _items(value):
            total += self.of(inner, f"{at}.{key}")
        return total

    def _of_place(self, path: str, at: str) -> int:
        path = path.strip()
        dots = len(path) - len(path.lstrip("."))
        above = at.split(".")[:-dots] if dots else []
        keys = [*above, *_keys(path)]
        place = ".".join(keys)
        if place in self.waiting:
            return 0
        if place not in self.known:
            self.waiting.add(place)
            self.known[place] = min(self.of(self._value(keys), place), 10 * MAX_CHARACTERS)
            self.waiting.discard(place)
        return self.known[place]

    def _value(self, keys: list[str]) -> Any:
        """The value at a path, references along it followed; None where there is none."""
        here: Any = self.content
        for _ in range(100):
            for depth, key in enumerate(keys):
                if isinstance(here, str):
                    match = REFERENCE.fullmatch(here)
                    if not match:
                        return None
                    # The rest of the path is looked up below what the reference leads to.
                    keys = [*_keys(match[1]), *keys[depth:]]
                    here = self.content
                    break
                here = _child(here, key)
            else:
                return here
        return None


def _keys(path: str) -> list[str]:
    """The keys of a path such as ``stages.train.out`` or ``families[0].periods``."""
    keys = [key.strip(" \t'\"") for key in re.split(r"[.\[\]]+", path)]
    return [key for key in keys if key]


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return next((inner for name, inner in value.items() if str(name) == key), None)
    if isinstance(value, list) and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    return None


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
