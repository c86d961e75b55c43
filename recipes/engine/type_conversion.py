"""Convert the values of a recipe to the types of the arguments that they are passed to.

A string becomes a Path or a member of an enumeration, an int a float and a whole float an int, a list a tuple or a set,
and a mapping a dataclass, where the type hint says so.
"""

import collections.abc
import enum
import inspect
import types
import typing
from dataclasses import dataclass, is_dataclass
from pathlib import Path, PurePath
from typing import Any

from recipes.engine.errors import shown
from recipes.engine.signatures import signature
from zoo.ranges import is_finite, is_in_range, range_of
from zoo.suggestions import nearest_name, suggest

LISTS = (
    list,
    tuple,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.Iterable,
    collections.abc.Collection,
    collections.abc.MutableSequence,
    collections.abc.Set,
)
# Kinds of list that a string is one of.
STRING_KINDS = (collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
# Words by which a message is recognized to say what to do.
REMEDIES = ("did you mean", "one of", "write it")
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


@dataclass(frozen=True)
class Made:
    """Placeholder of an object that does not exist yet: what a node, or a mapping for a dataclass, will build.

    Args:
        hint: Type of the object.
        target: Name of what builds it, for messages; empty if unknown.
        is_exact: Whether the node names a class, so that the object is of exactly this type; the result of a function
            may be of a subclass.
    """

    hint: Any
    target: str
    is_exact: bool = True


class Mismatch(ValueError):
    """A value does not match its type.

    Args:
        message: The expected type and the value.
        at: Path of the mismatching part in the value that was to be converted; empty for the value itself.
    """

    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message)
        self.at = at


def convert(hint: Any, value: Any) -> Any:
    """Convert ``value`` to the type ``hint``; a hint that recipe values cannot be compared with accepts any value.

    Raises:
        Mismatch: The value does not match the type.
    """
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _in_range(hint, value)
    if origin in (typing.Final, typing.ClassVar, typing.Required, typing.NotRequired):
        return convert(typing.get_args(hint)[0], value)
    if hint is Any or hint is object or isinstance(hint, (typing.TypeVar, str)):
        return value
    if origin in (typing.Union, types.UnionType):
        return _union(hint, value)
    if isinstance(value, Made):
        return _made(hint, value)
    if origin is typing.Literal:
        return _literal(hint, value)
    kind = origin or hint
    if kind in LISTS:
        return _list(hint, kind, value)
    if kind in MAPPINGS:
        return _mapping(hint, value)
    if hint is None or kind is types.NoneType:
        return _need(value is None, hint, value)
    if not inspect.isclass(kind) or kind in (type, collections.abc.Callable):
        return value
    return _scalar(kind, value)


def name_of(hint: Any) -> str:
    """Return the name of a type for messages, without module names."""
    if hint in (None, types.NoneType):
        return "null"
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is typing.Annotated:
        return f"{name_of(arguments[0])} {range_of(hint)}".strip()
    if origin in (typing.Union, types.UnionType):
        return " or ".join(name_of(argument) for argument in arguments)
    if origin is typing.Literal:
        return " or ".join(shown(argument) for argument in arguments)
    if origin and arguments:
        names = ["..." if argument is Ellipsis else name_of(argument) for argument in arguments]
        return f"{getattr(origin, '__name__', origin)}[{', '.join(names)}]"
    return getattr(hint, "__name__", str(hint))


def _need(fits: bool, hint: Any, value: Any, remedy: str = "") -> Any:
    if not fits:
        raise Mismatch(f"want {name_of(hint)}, got {shown(value)}{remedy}")
    return value


def _in_range(hint: Any, value: Any) -> Any:
    """Convert ``value`` to the type that ``hint`` annotates; a number must lie in the range of the annotation."""
    kind = typing.get_args(hint)[0]
    try:
        converted = convert(kind, value)
    except Mismatch as mismatch:
        if kind in (int, float) and not mismatch.at:
            return _need(False, hint, value)
        raise
    _need(isinstance(converted, Made) or is_in_range(hint, converted), hint, value)
    return converted


def _literal(hint: Any, value: Any) -> Any:
    choices = typing.get_args(hint)
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return value
    message = f"want one of {', '.join(map(shown, choices))}, got {shown(value)}"
    nearest = nearest_name(value, choices) if isinstance(value, str) else None
    raise Mismatch(f"{message}; did you mean {nearest!r}?" if nearest else message)


def _union(hint: Any, value: Any) -> Any:
    """Convert ``value`` to the first type of a union that it matches; its own type is tried first."""
    mismatches = []
    choices = typing.get_args(hint)
    for choice in sorted(choices, key=lambda choice: type(value) is not (typing.get_origin(choice) or choice)):
        try:
            return convert(choice, value)
        except Mismatch as mismatch:
            mismatches.append(mismatch)
    deeper = [mismatch for mismatch in mismatches if mismatch.at]
    if len(deeper) == 1:
        raise deeper[0]
    with_remedy = [mismatch for mismatch in mismatches if any(words in str(mismatch) for words in REMEDIES)]
    is_optional = len([choice for choice in choices if choice is not types.NoneType]) == 1
    if len(with_remedy) == 1 and is_optional:
        raise with_remedy[0]
    got = value.target if isinstance(value, Made) else shown(value)
    raise Mismatch(f"want {name_of(hint)}, got {got}")


def _made(hint: Any, value: Made) -> Made:
    """Return ``value`` if the type that a node makes is compatible with ``hint``, or if it cannot be compared."""
    wanted = typing.get_origin(hint) or hint
    is_union = typing.get_origin(value.hint) in (typing.Union, types.UnionType)
    for choice in typing.get_args(value.hint) if is_union else (value.hint,):
        made = typing.get_origin(choice) or choice
        are_classes = inspect.isclass(made) and inspect.isclass(wanted)
        if choice is Any or wanted is None or not are_classes or made is object:
            return value
        try:
            if issubclass(made, wanted) or (issubclass(wanted, made) and not value.is_exact):
                return value
        except TypeError:  # a protocol that issubclass does not support
            return value
    raise Mismatch(f"want {name_of(hint)}, but {value.target} makes {name_of(value.hint)}")


def _list(hint: Any, kind: Any, value: Any) -> Any:
    arguments = typing.get_args(hint)
    if isinstance(value, str) and kind in STRING_KINDS and not arguments:
        return value  # a string is a sequence of its characters
    if not isinstance(value, (list, tuple, set)):
        return _need(not _is_plain(value), hint, value, "; write it as [a, b]")
    is_fixed = kind is tuple and arguments and Ellipsis not in arguments
    if is_fixed and len(arguments) != len(value):
        raise Mismatch(f"want {len(arguments)} values, {name_of(hint)}, got {len(value)}: {shown(value)}")
    item_hints = arguments if is_fixed else (arguments or (Any,))[:1] * len(value)
    items = []
    for index, (item_hint, item) in enumerate(zip(item_hints, value, strict=True)):
        items.append(_below(str(index), item_hint, item))
    return kind(items) if kind in (tuple, set, frozenset) else items


def _mapping(hint: Any, value: Any) -> Any:
    _need(isinstance(value, dict) or not _is_plain(value), hint, value)
    if not isinstance(value, dict):
        return value
    key_hint, value_hint = typing.get_args(hint) or (Any, Any)
    converted = {}
    for key, item in value.items():
        converted[_below(str(key), key_hint, key)] = _below(str(key), value_hint, item)
    return converted


def _below(at: str, hint: Any, value: Any) -> Any:
    try:
        return convert(hint, value)
    except Mismatch as mismatch:
        raise Mismatch(str(mismatch), f"{at}.{mismatch.at}".rstrip(".")) from None


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, dict))


def _scalar(kind: type, value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind in (int, float) and is_number and not is_finite(value):
        raise Mismatch(f"want a finite {kind.__name__}, got {shown(value)}")
    if kind is bool:
        return _need(isinstance(value, bool), kind, value, "; write it as true or false")
    if kind is int:
        return int(_need(is_number and float(value).is_integer(), kind, value))
    if kind is float:
        return float(_need(is_number, kind, value))
    if kind is str:
        remedy = "; write it in quotes" if is_number or isinstance(value, bool) else ""
        return _need(isinstance(value, str), kind, value, remedy)
    if issubclass(kind, PurePath) or kind.__name__ == "PathLike":
        return Path(_need(isinstance(value, (str, PurePath)) and str(value) != "", kind, value))
    if issubclass(kind, enum.Enum) and isinstance(value, str):
        names = list(kind.__members__)
        if value not in names and value not in [member.value for member in kind]:
            raise Mismatch(f"want one of {', '.join(names)}, got {shown(value)}")
        return kind[value] if value in names else kind(value)
    if is_dataclass(kind) and isinstance(value, dict):
        return _dataclass(kind, value)
    remedy = f"; write it as a node, {{_target_: ...}}, that makes a {kind.__name__}"
    return _need(not _is_plain(value), kind, value, remedy)


def _dataclass(kind: type, value: dict[Any, Any]) -> Any:
    arguments = signature(kind).arguments
    for key in value:
        if key not in arguments:
            raise Mismatch(f"{kind.__name__} has no {key!r}; {suggest(key, arguments)}", str(key))
    for name, argument in arguments.items():
        if argument.required and name not in value:
            raise Mismatch(f"missing; {kind.__name__} needs it ({name_of(argument.hint)})", name)
    fields = {key: _below(key, arguments[key].hint, field) for key, field in value.items()}
    if _holds_made(fields):
        return Made(kind, kind.__name__)
    try:
        return kind(**fields)
    except (ValueError, TypeError) as error:
        raise Mismatch(str(error)) from error


def _holds_made(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_made(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_made(item) for item in value)
    return isinstance(value, Made)
