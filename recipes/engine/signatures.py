"""Read the signature of a callable: names, type hints and defaults of its arguments, and the type it returns."""

import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any


@dataclass(frozen=True)
class Argument:
    """One argument of a callable.

    Args:
        name: Name of the argument.
        hint: Type of the argument; ``Any`` if it is not annotated or its annotation cannot be evaluated.
        default: Default of the argument; ``inspect.Parameter.empty`` if it is required.
    """

    name: str
    hint: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Signature:
    """The arguments of a callable.

    Args:
        arguments: Arguments that can be passed by name.
        is_open: Whether other names are accepted too, by ``**kwargs``.
    """

    arguments: dict[str, Argument]
    is_open: bool


@cache
def signature(function: Callable) -> Signature:
    """Return the arguments that ``function`` takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return Signature({}, True)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    arguments = {p.name: Argument(p.name, _evaluate(p.annotation, function), p.default) for p in named}
    return Signature(arguments, any(p.kind == p.VAR_KEYWORD for p in parameters))


@cache
def made_by(function: Callable) -> Any:
    """Return the type of the result of ``function``: the class itself for a class, ``Any`` if it is not annotated."""
    if inspect.isclass(function):
        return function
    hint = _evaluate(getattr(function, "__annotations__", {}).get("return", Any), function)
    return function.__self__ if hint is typing.Self and inspect.ismethod(function) else hint


def _evaluate(annotation: Any, function: Callable) -> Any:
    """Return an annotation as a type; text is evaluated in the module of the callable."""
    if annotation is inspect.Parameter.empty:
        return Any
    for names in _namespaces(function):
        try:
            wrapped = SimpleNamespace(__annotations__={"hint": annotation})
            return typing.get_type_hints(wrapped, names, include_extras=True)["hint"]
        except Exception:  # imported for type checkers only, or inherited from a class of another module
            continue
    return Any


def _namespaces(function: Callable) -> Iterator[dict[str, Any]]:
    """Yield the namespaces of the modules that define a function, or a class and its bases."""
    function = getattr(function, "__func__", function)
    for owner in inspect.getmro(function) if inspect.isclass(function) else [inspect.unwrap(function)]:
        if owner.__module__ in sys.modules:
            yield vars(sys.modules[owner.__module__])
