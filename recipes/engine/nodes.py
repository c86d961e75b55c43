"""Nodes, the mappings of a recipe with a ``_target_``, and helpers to walk through the content of a recipe."""

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from recipes.engine.signatures import signature
from recipes.engine.targets import Targets

TARGET = "_target_"
BASE = "_base_"  # see recipes.engine.derived_nodes


def content_of(config: DictConfig, resolve: bool = False) -> dict[str, Any]:
    """Convert a configuration to plain dicts and lists.

    Args:
        config: OmegaConf configuration.
        resolve: Whether references are followed; otherwise they are kept as text.
    """
    return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=resolve))


def is_node(value: Any) -> bool:
    """Return whether ``value`` is a mapping with ``_target_``."""
    return isinstance(value, dict) and TARGET in value


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """Return the (key, value) pairs of a mapping, or the (index, value) pairs of a list; none for any other value."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of every leaf: scalars, and empty mappings and lists."""
    items = items_of(value)
    for key, inner in items:
        yield from leaves(inner, f"{at}.{key}".lstrip("."))
    if not items:
        yield at, value


def with_defaults(raw: Any, targets: Targets, is_wanted: Callable[[str], bool]) -> Any:
    """Return ``raw`` with the default arguments written out in every node whose target ``is_wanted`` accepts."""
    if isinstance(raw, list):
        return [with_defaults(value, targets, is_wanted) for value in raw]
    if not isinstance(raw, dict):
        return raw
    raw = {key: with_defaults(value, targets, is_wanted) for key, value in raw.items()}
    if TARGET in raw and is_wanted(raw[TARGET]):
        for name, argument in signature(targets.locate(raw[TARGET])).arguments.items():
            if name not in raw and not argument.required and _is_writable(argument.default):
                raw[name] = _written(argument.default)
    return raw


def _written(value: Any) -> Any:
    """Convert a default to what YAML reads back: tuples to lists, paths to strings."""
    if isinstance(value, (list, tuple)):
        return [_written(item) for item in value]
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return str(value) if isinstance(value, PurePath) else value


def _is_writable(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_writable(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and _is_writable(item) for key, item in value.items())
    return value is None or isinstance(value, PurePath) or type(value) in (bool, int, float, str)
