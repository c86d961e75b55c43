"""Suggestions for a name that is not known, in the words of an error message."""

import difflib
from collections.abc import Iterable

MAX_LISTED = 12


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None where none is alike."""
    matches = difflib.get_close_matches(str(name), [str(candidate) for candidate in known], 1)
    return matches[0] if matches else None


def suggest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Say which of the known names was meant, or what there is to choose from.

    Args:
        name: The name that is not known.
        known: The names that are.
        otherwise: What to say where none of them is alike; a list of the first twelve if None.
    """
    names = [str(candidate) for candidate in known]
    nearest = nearest_name(name, names)
    if nearest is not None:
        return f"did you mean {nearest!r}?"
    if otherwise is not None:
        return otherwise
    return f"choose from {listed(names)}" if names else "there is none to choose from"


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
