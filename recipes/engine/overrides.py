"""Set values at dotted paths: for ``key=value`` on the command line, a recipe's ``set``, and nodes with ``_base_``."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import OmegaConf, errors

from recipes.engine.bounds import check_text
from recipes.engine.errors import RecipeError, shown
from recipes.engine.nodes import BASE, TARGET, content_of
from recipes.engine.old_names import renamed_path
from zoo.error_messages import one_line
from zoo.suggestions import suggest


def override(content: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Apply ``key=value`` strings to a recipe's content in place, and return one line for each that is invalid."""
    problems = []
    assigned: set[str] = set()
    for item in overrides:
        key, equals, text = item.partition("=")
        if not equals or not key:
            problems.append(f"{item!r}: want key=value, such as out=runs/mine or trainer.max_steps=100")
            continue
        text = os.path.expanduser(text) if text.startswith("~/") else text
        try:
            check_text(text, key)
            value = content_of(OmegaConf.from_dotlist([f"value={text}"]))["value"]
            _set(content, key.split("."), value, assigned)
        except RecipeError as error:
            problems.append(str(error))
        except (yaml.YAMLError, errors.OmegaConfBaseException) as error:
            problems.append(f"{key}={text}: the value is not valid YAML: {one_line(error)[:120]}")
        except KeyError as error:
            problems.append(f"{key}={text}: {error.args[0]}")
    return problems


def assign(content: dict[str, Any], changes: Mapping[Any, Any], at: str = "set") -> list[str]:
    """Set values at dotted paths of a mapping in place, and return one line for each invalid path.

    Args:
        content: Content of a recipe, or a node of it.
        changes: New value of each dotted path.
        at: Path of ``changes`` in the recipe, for messages.
    """
    problems = []
    assigned: set[str] = set()
    for key, value in changes.items():
        try:
            _set(content, str(key).split("."), value, assigned)
        except KeyError as error:
            problems.append(f"{at}.{key}: {error.args[0]}")
    return problems


def _set(content: dict[str, Any], keys: list[str], value: Any, assigned: set[str]) -> None:
    """Set the value at the path ``keys``, which must exist unless its last key is an argument of a node.

    Another ``_target_`` replaces the node: arguments of the old one are dropped, those in ``assigned`` are kept.

    Args:
        content: Content of a recipe, or a node of it.
        keys: Keys of the path.
        value: New value.
        assigned: Dotted paths that were set before, to which this one is added.

    Raises:
        KeyError: The path does not exist; its argument is a message for the user.
    """
    here: Any = content
    for depth, name in enumerate(keys):
        assigned.add(".".join(keys[: depth + 1]))
        is_new_target = name == TARGET and depth == len(keys) - 1
        if isinstance(here, dict) and BASE in here and name not in here and not (is_new_target and depth):
            # The argument is that of the base, which is copied later: keep the rest as a path into the copy.
            here[".".join(keys[depth:])] = value
            return
        is_last = depth == len(keys) - 1
        key = _key(here, name, keys, depth, is_last, content)
        if is_last:
            if key == TARGET and depth and value != here.get(TARGET):
                _drop_arguments(here, ".".join(keys[:depth]), assigned)
            here[key] = value
        else:
            here = here[key]


def _drop_arguments(node: dict[str, Any], at: str, assigned: set[str]) -> None:
    """Delete the arguments of a node, except for those that were set at their own paths."""
    for key in list(node):
        if f"{at}.{key}" not in assigned:
            del node[key]


def _key(here: Any, name: str, keys: list[str], depth: int, is_last: bool, content: dict[str, Any]) -> Any:
    """Return the key of a mapping or the index of a list that ``name`` stands for.

    Args:
        here: Mapping or list at the path ``keys[:depth]``.
        name: ``keys[depth]``.
        keys: The whole path.
        depth: Number of keys that have been followed.
        is_last: Whether ``name`` is the last key.
        content: Content of the recipe, to suggest the new path of a renamed one.

    Raises:
        KeyError: ``here`` has no such key; its argument is a message for the user.
    """
    at = ".".join(keys[:depth]) or "the recipe"
    path = ".".join(keys)
    if isinstance(here, str) and here.startswith("${") and here.endswith("}"):
        home = ".".join([here[2:-1], *keys[depth:]])
        raise KeyError(f"{at} is {here}, shared with others: override {home}")
    if isinstance(here, list):
        if not name.lstrip("-").isdigit() or not -len(here) <= int(name) < len(here):
            raise KeyError(f"{at} is a list of {len(here)}: want a number up to {len(here) - 1} in place of {name!r}")
        return int(name)
    if not isinstance(here, dict):
        raise KeyError(f"{at} is {shown(here)}, which has no {name!r}")
    key = next((candidate for candidate in here if str(candidate) == name), name)
    is_new_argument = is_last and (TARGET in here or (BASE in here and name == TARGET))
    if key not in here and not is_new_argument:
        remedy = renamed_path(path, content) or suggest(name, here)
        raise KeyError(f"{at} has no {name!r}; {remedy}")
    return key
