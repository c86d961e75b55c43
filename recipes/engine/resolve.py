"""Follow the references ``${...}`` of a recipe to their values."""

import re
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, errors

from recipes.engine.nodes import content_of
from recipes.engine.old_names import renamed_path
from zoo.suggestions import nearest_name

REFERENCE = re.compile(r"^\$\{(\.*)([^${}:]+)\}$")


PART = re.compile(r"\$\{(\.*)([^${}:]+)\}")


@dataclass(frozen=True)
class Problem:
    """A reference that cannot be followed.

    Args:
        written: The value with its reference as text.
        text: Line for the user.
    """

    written: str
    text: str


class _Broken:
    """Placeholder of a value whose reference cannot be followed."""

    def __repr__(self) -> str:
        return "BROKEN"


BROKEN = _Broken()


def resolve(config: DictConfig) -> tuple[dict[str, Any], list[str]]:
    """Return a recipe's content with references followed, and one line for each that cannot be followed.

    A reference to a value whose own reference is broken is not listed beside it.
    """
    problems: dict[str, Problem] = {}
    container = _container(config, "", problems, config)
    roots = [at for at in problems if not _broken_sources(at, problems)]
    listed = roots or list(problems)[:1]  # references in a circle have no root
    return container, [problems[at].text for at in listed]


def _broken_sources(at: str, problems: dict[str, Problem]) -> list[str]:
    """Return the paths of other broken references that the value at a path refers to."""
    sources = []
    for dots, path in PART.findall(problems[at].written):
        keys = [key for key in re.split(r"[.\[\]]+", path) if key]
        source = ".".join([*(at.split(".")[: -len(dots)] if dots else []), *keys])
        if source in problems and source != at:
            sources.append(source)
    return sources


def home_of(reference: Any, at: str) -> str | None:
    """Return the path that a reference leads to.

    Args:
        reference: Value of the recipe; the result is None unless it is a single reference, such as ``${network}``.
        at: Dotted path of that value, to which references with leading dots are relative.
    """
    match = REFERENCE.match(reference) if isinstance(reference, str) else None
    if not match:
        return None
    dots, path = match.groups()
    keys = [key for key in re.split(r"[.\[\]]+", path) if key]
    around = at.split(".")[: -len(dots)] if dots else []
    return ".".join(around + keys)


def written_at(content: dict[str, Any], at: str) -> str:
    """Return the path at which the value of a path is written, after following all references along it.

    Args:
        content: Content of the recipe with references kept.
        at: Dotted path, such as ``stages.train.model``.
    """
    keys = at.split(".")
    for depth in range(1, len(keys) + 1):
        here = ".".join(keys[:depth])
        home = home_of(value_at(content, here), here)
        if home is not None:
            return written_at(content, ".".join([home, *keys[depth:]]))
    return at


def value_at(content: Any, at: str) -> Any:
    """Return the value at a dotted path, references not followed.

    Raises:
        KeyError: There is no such path.
    """
    for key in at.split("."):
        if isinstance(content, list):
            content = content[int(key)]
        elif isinstance(content, dict):
            content = content[next((name for name in content if str(name) == key), key)]
        else:
            raise KeyError(at)
    return content


def _container(node: DictConfig | ListConfig, at: str, problems: dict[str, Problem], root: DictConfig) -> Any:
    is_mapping = isinstance(node, DictConfig)
    values = {}
    for key in node if is_mapping else range(len(node)):
        values[key] = _value(node, key, f"{at}.{key}".lstrip("."), problems, root)
    return values if is_mapping else list(values.values())


def _value(node: DictConfig | ListConfig, key: Any, at: str, problems: dict[str, Problem], root: DictConfig) -> Any:
    is_reference = OmegaConf.is_interpolation(node, key)
    if OmegaConf.is_missing(node, key) and not is_reference:
        problems[at] = Problem("", f"{at}: a value is needed; give it as {at}=VALUE")
        return BROKEN
    try:
        value = node[key]
    except errors.InterpolationToMissingValueError:
        return BROKEN
    except (errors.OmegaConfBaseException, RecursionError) as error:
        written = str(_written(node, key))
        problems[at] = Problem(written, f"{at}={written}: {_explain(error, root)}")
        return BROKEN
    if not OmegaConf.is_config(value):
        return value
    if not is_reference:
        return _container(value, at, problems, root)
    try:
        return OmegaConf.to_container(value, resolve=True)
    except (errors.OmegaConfBaseException, RecursionError):  # reported at the path where the value is written
        return BROKEN


def _written(node: DictConfig | ListConfig, key: Any) -> Any:
    """Return the value at ``key`` with its reference kept as text."""
    content = OmegaConf.to_container(node)
    return content[key] if isinstance(content, (dict, list)) else content


def _explain(error: Exception, root: DictConfig) -> str:
    line = str(error).splitlines()[0]
    if isinstance(error, RecursionError) or line.startswith("Recursive interpolation"):
        return "the reference leads back to itself"
    plain = re.search(r"trying to access (\S+): node `(\S+)` is not a container", line)
    if plain is not None:
        return f"the recipe has no {plain[1]!r}: {plain[2]} is a plain value"
    missing = re.search(r"Interpolation key '([^']+)' not found", line)
    if missing is None:
        return line
    content = content_of(root)
    remedy = renamed_path(missing[1], content)
    nearest = nearest_name(missing[1], _paths(content, ""))
    if remedy is None and nearest is not None:
        remedy = f"did you mean {nearest!r}?"
    message = f"the recipe has no {missing[1]!r}"
    return f"{message}; {remedy}" if remedy else message


def _paths(value: Any, at: str) -> list[str]:
    """Return the dotted paths of all values in nested mappings."""
    paths = []
    for key, inner in value.items() if isinstance(value, dict) else ():
        path = f"{at}.{key}".lstrip(".")
        paths += [path, *_paths(inner, path)]
    return paths
