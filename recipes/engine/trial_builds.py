"""Build the nodes of a recipe that need no files, so that what their constructors refuse is found before any work.

A range of one number is stated in its type; how numbers must fit together (heads that divide a width, windows in a
segment) only the constructors say. Networks are built on torch's meta device, which allocates no memory.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from typing import Any

from recipes.engine.nodes import TARGET, is_node, items_of
from recipes.engine.public_parts import PROJECT, is_stage
from recipes.engine.resolve import home_of, value_at
from recipes.engine.signatures import signature
from recipes.engine.targets import Targets, home_name
from recipes.engine.type_conversion import Mismatch, convert
from zoo.error_messages import one_line

MAX_SIZE_ON_CPU = 5000
SLOW = ("zoo.vocoder.discriminators.MultiScaleDiscriminator",)  # spectral norm is iterated as it is built


class _NotTried(Exception):
    """A node needs files, or names a part that is not built in advance."""


@dataclass(frozen=True)
class Trial:
    """What became of building the nodes of a recipe.

    Args:
        problems: One line for each node whose constructor refuses its arguments.
        weights: Number of weights of each network that was built, by the path of its node.
    """

    problems: tuple[str, ...]
    weights: Mapping[str, int]


def try_nodes(content: dict[str, Any], targets: Targets) -> Trial:
    """Build the nodes of a recipe that need no files.

    Args:
        content: Content of a recipe in which every argument has its type, references kept.
        targets: Finds the callables that the nodes name.
    """
    return _try_nodes(json.dumps(content, default=str), targets)


@lru_cache(maxsize=1)
def _try_nodes(content: str, targets: Targets) -> Trial:
    builder = _TrialBuilder(json.loads(content), targets)
    paths = [at for at in _node_paths(builder.content, "") if _is_of_project(value_at(builder.content, at))]
    if not paths:
        return Trial((), {})
    import torch  # only here, since the import takes a second

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads would not survive the fork of stages that run in parallel
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            for at in paths:
                builder.try_node(at)
    finally:
        torch.set_num_threads(num_threads)
    weights = {}
    for at, built in builder.built.items():
        if isinstance(built, torch.nn.Module):
            weights[at] = sum(weight.numel() for weight in built.parameters())
    return Trial(tuple(builder.problems), weights)


def _node_paths(value: Any, at: str) -> Iterator[str]:
    for key, inner in items_of(value):
        yield from _node_paths(inner, f"{at}.{key}".lstrip("."))
    if is_node(value) and at:
        yield at


class _TrialBuilder:
    """Builds nodes, each once.

    Args:
        content: Content of the recipe with references kept.
        targets: Finds the callables that the nodes name.
    """

    def __init__(self, content: dict[str, Any], targets: Targets) -> None:
        self.content = content
        self.targets = targets
        self.problems: list[str] = []
        self.built: dict[str, Any] = {}  # by path; None for nodes that are not built

    def try_node(self, at: str) -> Any:
        """Return the object at a path, or None if it is not built."""
        if at not in self.built:
            self.built[at] = None
            try:
                self.built[at] = self._build(at)
            except _NotTried:
                pass
            except (ValueError, TypeError, AssertionError, ArithmeticError) as error:
                self.problems.append(f"{at}: {one_line(error)}")
            except Exception:  # the meta device does not support every operation; the stage itself builds it again
                pass
        return self.built[at]

    def _build(self, at: str) -> Any:
        node = value_at(self.content, at)
        function = self.targets.locate(node[TARGET])
        if not _is_tried(function):
            raise _NotTried
        known = signature(function).arguments
        arguments = {}
        for key, value in node.items():
            if key == TARGET:
                continue
            value = self._value(value, f"{at}.{key}")
            try:
                arguments[key] = value if value is None else convert(known[key].hint, value)
            except (KeyError, Mismatch) as error:
                raise _NotTried from error
        try:
            return function(**arguments)
        except (RuntimeError, NotImplementedError):
            # Filter banks cannot be made on the meta device; they are small.
            if max(_ints(node), default=0) > MAX_SIZE_ON_CPU:
                raise
            import torch

            with torch.device("cpu"):
                return function(**arguments)

    def _value(self, value: Any, at: str) -> Any:
        """Return an argument with its references followed and its nodes built."""
        home = home_of(value, at)
        if home is not None:
            return self._value(value_at(self.content, home), home)
        if is_node(value):
            built = self.try_node(at)
            if built is None:
                raise _NotTried
            return built
        if isinstance(value, dict):
            return {key: self._value(inner, f"{at}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, f"{at}.{index}") for index, inner in enumerate(value)]
        if isinstance(value, str):  # perhaps the name of a file or a checkpoint
            raise _NotTried
        return value


def _ints(value: Any) -> Iterator[int]:
    for _, inner in items_of(value):
        yield from _ints(inner)
    if isinstance(value, int):
        yield value


def _is_tried(function: Any) -> bool:
    """Whether a callable is a network or a record of this project, whose constructors read nothing."""
    from torch import nn

    home = home_name(function)
    if not inspect.isclass(function) or home.split(".")[0] not in PROJECT or home in SLOW:
        return False
    return is_dataclass(function) or issubclass(function, nn.Module)


def _is_of_project(node: dict[str, Any]) -> bool:
    """Whether a node names a part of this project, other than a stage."""
    return node[TARGET].split(".")[0] in PROJECT and not is_stage(node[TARGET])
