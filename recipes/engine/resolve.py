"""References in a recipe, ``${...}``, to what they stand for."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, errors

REFERENCE = re.compile(r"^\$\{(\.*)([^${}:]+)\}$")


class _Broken:
    """Stands for a value whose reference leads nowhere."""

    def __repr__(self) -> str:
        return "BROKEN"


BROKEN = _Broken()


def resolve(config: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """Return a recipe's content with every reference resolved, and a line for each that cannot be."""
    problems: list[str] = []
    return _container(config, "", problems, config), problems


def home_of(reference: Any, at: str) -> str | None:
    """Return the path that a value which is one reference, at ``at``, leads to; None for any other value."""
    match = REFERENCE.match(reference) if isinstance(reference, str) else None
    if not match:
        return None
    dots, path = match.groups()
    keys = [key for key in re.split(r"[.\[\]]+", path) if key]
    return ".".join((at.split(".")[: -len(dots)] if dots else []) + keys)


def _container(node: DictConfig | ListConfig, at: str, problems: list[str], root: DictConfig) -> Any:
    keys = list(node.keys()) if isinstance(node, DictConfig) else range(len(node))
    pairs = [(key, _value(node, key, f"{at}.{key}".lstrip("."), problems, root)) for key in keys]
    return dict(pairs) if isinstance(node, DictConfig) else [value for _, value in pairs]


def _value(node: DictConfig | ListConfig, key: Any, at: str, problems: list[str], root: DictConfig) -> Any:
    if OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key):
        problems.append(f"{at}: a value is needed; give it as {at}=VALUE")
        return BROKEN
    is_reference = OmegaConf.is_interpolation(node, key)
    try:
        value = node[key]
    except errors.InterpolationToMissingValueError:
        return BROKEN
    except (errors.OmegaConfBaseException, RecursionError) as error:
        problems.append(f"{at}={node._get_node(key)._value()}: {_explain(error, root)}")
        return BROKEN
    if not OmegaConf.is_config(value):
        return value
    if not is_reference:
        return _container(value, at, problems, root)
    try:
        return OmegaConf.to_container(value, resolve=True)
    except (errors.OmegaConfBaseException, RecursionError):  # told where it is written
        return BROKEN


def _explain(error: Exception, root: DictConfig) -> str:
    if isinstance(error, RecursionError):
        return "the reference leads back to itself"
    line = str(error).splitlines()[0]
    wanted = re.search(r"Interpolation key '([^']+)' not found", line)
    near = difflib.get_close_matches(wanted[1], list(_paths(OmegaConf.to_container(root), "")), 1) if wanted else []
    told = f"the recipe has no {wanted[1]!r}" if wanted else line
    return f"{told}; did you mean {near[0]!r}?" if near else told


def _paths(value: Any, at: str) -> Iterator[str]:
    for key, inner in value.items() if isinstance(value, dict) else ():
        path = f"{at}.{key}".lstrip(".")
        yield path
        yield from _paths(inner, path)
