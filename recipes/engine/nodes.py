"""Nodes: mappings of a recipe with ``_target_``, and what is written in and around them."""

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from recipes.engine.signatures import signature
from recipes.engine.targets import Targets

TARGET = "_target_"


def content_of(config: DictConfig, resolve: bool = False) -> dict[str, Any]:
    """Return what a configuration holds as plain mappings and lists, with references kept or resolved."""
    return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=resolve))


def is_node(value: Any) -> bool:
    """Whether ``value`` names a callable to build it with."""
    return isinstance(value, dict) and TARGET in value


def items_of(value: Any) -> list[tuple[Any, Any]]:
    """Return what a mapping holds by key, or a list by position; nothing for any other value."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path of every value that holds no others, and the value; empty mappings and lists are such."""
    items = items_of(value)
    for key, inner in items:
        yield from leaves(inner, f"{at}.{key}".lstrip("."))
    if not items:
        yield at, value


def with_defaults(raw: Any, targets: Targets, is_wanted: Callable[[str], bool]) -> Any:
    """Return ``raw`` with the defaults of every node whose target ``is_wanted`` written out."""
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
    """Return a default as a recipe file would hold it, so that it equals what is read back: no tuples, no paths."""
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
