"""What a callable takes and makes: argument names, type hints, defaults."""

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
        name: As a recipe writes it.
        hint: Its type, ``Any`` where it is not annotated or cannot be evaluated.
        default: ``inspect.Parameter.empty`` where there is none.
    """

    name: str
    hint: Any
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Signature:
    """The arguments of a callable; ``is_open`` if it takes any other name too."""

    arguments: dict[str, Argument]
    is_open: bool


@cache
def signature(function: Callable) -> Signature:
    """Read what ``function`` takes by name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return Signature({}, True)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    arguments = {p.name: Argument(p.name, _evaluate(p.annotation, function), p.default) for p in named}
    return Signature(arguments, any(p.kind == p.VAR_KEYWORD for p in parameters))


@cache
def made_by(function: Callable) -> Any:
    """Type of what ``function`` returns, ``Any`` where that is not stated."""
    if inspect.isclass(function):
        return function
    hint = _evaluate(getattr(function, "__annotations__", {}).get("return", Any), function)
    return function.__self__ if hint is typing.Self and inspect.ismethod(function) else hint


def _evaluate(annotation: Any, function: Callable) -> Any:
    """Return the type that ``annotation`` means, text evaluated where the callable was written."""
    if annotation is inspect.Parameter.empty:
        return Any
    for names in _namespaces(function):
        try:
            return typing.get_type_hints(SimpleNamespace(__annotations__={"hint": annotation}), names)["hint"]
        except Exception:  # a name imported for type checkers only, or one of another module of the class's bases
            continue
    return Any


def _namespaces(function: Callable) -> Iterator[dict[str, Any]]:
    function = getattr(function, "__func__", function)
    for owner in inspect.getmro(function) if inspect.isclass(function) else [inspect.unwrap(function)]:
        if owner.__module__ in sys.modules:
            yield vars(sys.modules[owner.__module__])
