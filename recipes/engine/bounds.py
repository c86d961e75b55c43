"""Limit the size to which a recipe may expand, before any alias or reference in it is expanded.

A few lines of YAML can expand to billions of values: by nesting, by aliases of aliases, or by references to references.
The expanded size is computed here without expanding anything. Copies of nodes with ``_base_`` are bounded where they
are made, in ``derived_nodes``.
"""

import re
from typing import Any

import yaml

from recipes.engine.errors import RecipeError
from recipes.engine.nodes import items_of

MAX_TEXT_CHARACTERS = 128 * 1024  # of a file as it is written
MAX_DEPTH = 40  # levels of nesting as it is written
MAX_VALUES = 5_000  # keys and values, with all aliases expanded
MAX_EXPANDED_CHARACTERS = 1_000_000  # with all references followed
MAX_CHAIN = 20  # references, each leading to the next
VALUE_CHARACTERS = 20  # what every key or value counts as, besides its text
REFERENCE = re.compile(r"\$\{([^${}]*)\}")
NESTED = re.compile(r"\$\{[^{}]*\$\{")
RESOLVER = re.compile(r"\$\{\s*([^{}:.\s]+(?:\.[^{}:.\s]+)*)\s*:")


def check_text(text: str, file: str) -> None:
    """Refuse YAML text that is too long, too deep, or too large once its aliases are expanded.

    Args:
        text: Content of a recipe file, or one value from the command line.
        file: Name of the file or of the key, for messages.

    Raises:
        RecipeError: A limit is exceeded; the message names it.
        yaml.YAMLError: The text is not valid YAML.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise RecipeError(f"{file}: {len(text):,} characters; a recipe has at most {MAX_TEXT_CHARACTERS:,}")
    depth = 0
    count = 0  # keys and values so far, aliases expanded
    # Anchor of each mapping and list that is still open, and the count before it.
    open_anchors: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}  # keys and values of each anchored collection, itself included
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
            raise RecipeError(f"{file}: nested deeper than {MAX_DEPTH} levels, the limit for recipes")
        if count > MAX_VALUES:
            raise RecipeError(f"{file}: more than {MAX_VALUES:,} keys and values once its aliases are expanded")


def reference_problems(content: Any, at: str = "") -> list[str]:
    """Return one line for each text with a reference that calls a resolver or contains another reference.

    OmegaConf resolvers such as ``${oc.env:HOME}`` are refused because they read what is not in the recipe, and nested
    references because their size cannot be computed before they are followed.

    Args:
        content: Content of the recipe, or a value in it.
        at: Dotted path of that value; empty for the whole recipe.
    """
    if isinstance(content, str):
        shown = f"{at}={content[:80]}"
        if NESTED.search(content):
            return [f"{shown}: a reference inside a reference is refused; write the path out"]
        resolver = RESOLVER.search(content)
        if resolver is None:
            return []
        return [
            f"{shown}: ${{{resolver[1]}:...}} reads what is not in the recipe and is refused; write the value, or give "
            f"it on the command line as {at}=VALUE"
        ]
    problems = []
    for key, value in items_of(content):
        problems += reference_problems(value, f"{at}.{key}".lstrip("."))
    return problems


def size_problems(content: dict[str, Any]) -> list[str]:
    """Return a line where following the references of a recipe would give too much text, or too long a chain of them.

    Of nested references, which ``reference_problems`` refuses, the inner one is followed.
    """
    sizes = _Sizes(content)
    total = 0
    for name, value in content.items():
        total += sizes.of(value, str(name))
        if sizes.chain_is_too_long:
            return [f"{name}: references lead to references more than {MAX_CHAIN} times; refer to the value itself"]
        if total > MAX_EXPANDED_CHARACTERS:
            return [
                f"{name}: the recipe has more than {MAX_EXPANDED_CHARACTERS:,} characters once its references are "
                "followed"
            ]
    return []


class _Sizes:
    """Computes the expanded size of values, in characters; the size of each path is computed once.

    Args:
        content: Content of the recipe.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.size_of_path: dict[str, int] = {}
        self.open_paths: set[str] = set()
        self.chain_is_too_long = False

    def of(self, value: Any, at: str) -> int:
        """Return the size of a value at the path ``at``.

        A missing reference counts as null, and a circular one is followed once.
        """
        if isinstance(value, str):
            referred = sum(self._of_reference(path, at) for path in REFERENCE.findall(value))
            return VALUE_CHARACTERS + len(value) + referred
        total = VALUE_CHARACTERS
        for key, inner in items_of(value):
            if isinstance(value, dict):
                total += VALUE_CHARACTERS + len(str(key))
            total += self.of(inner, f"{at}.{key}")
        return total

    def _of_reference(self, path: str, at: str) -> int:
        """Return the size of what a reference at ``at`` to ``path`` leads to."""
        value, home = self._value(_absolute(path, at))
        home_path = ".".join(home)
        if home_path in self.open_paths:
            return 0
        if len(self.open_paths) > MAX_CHAIN:
            self.chain_is_too_long = True
            return 0
        if home_path not in self.size_of_path:
            self.open_paths.add(home_path)
            self.size_of_path[home_path] = min(self.of(value, home_path), 10 * MAX_EXPANDED_CHARACTERS)
            self.open_paths.discard(home_path)
        return self.size_of_path[home_path]

    def _value(self, keys: list[str]) -> tuple[Any, list[str]]:
        """Return the value at a path, references along it followed, and its own path; None for a missing value."""
        here: Any = self.content
        for _ in range(MAX_CHAIN):
            for depth, key in enumerate(keys):
                if isinstance(here, str):
                    match = REFERENCE.fullmatch(here.strip())
                    if not match:
                        return None, keys
                    # The rest of the path is looked up below what the reference leads to.
                    keys = [*_absolute(match[1], ".".join(keys[:depth])), *keys[depth:]]
                    here = self.content
                    break
                here = _child(here, key)
            else:
                return here, keys
        self.chain_is_too_long = True
        return None, keys


def _absolute(path: str, at: str) -> list[str]:
    """Return the keys of a reference at ``at`` from the top of the recipe; leading dots are relative to ``at``."""
    path = path.strip()
    dots = len(path) - len(path.lstrip("."))
    above = at.split(".")[:-dots] if dots else []
    return [*above, *_keys(path)]


def _keys(path: str) -> list[str]:
    """Split a path such as ``stages.train.out`` or ``families[0].periods`` into its keys."""
    keys = [key.strip(" \t'\"") for key in re.split(r"[.\[\]]+", path)]
    return [key for key in keys if key]


def _child(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return next((inner for name, inner in value.items() if str(name) == key), None)
    if isinstance(value, list) and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    return None
