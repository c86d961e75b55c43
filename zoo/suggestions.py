"""Hints for error messages about a name that is not known."""

import difflib
from collections.abc import Iterable

MAX_LISTED = 12


def nearest_name(name: object, known: Iterable[object]) -> str | None:
    """Return the known name that is most similar to ``name``; None if none is similar."""
    matches = difflib.get_close_matches(str(name), [str(candidate) for candidate in known], 1)
    return matches[0] if matches else None


def suggest(name: object, known: Iterable[object], otherwise: str | None = None) -> str:
    """Return a hint for an error message: the most similar of the known names, or the names to choose from.

    Args:
        name: Name that is not known; of any type, as keys of YAML are.
        known: Known names.
        otherwise: Text to return if no known name is similar. Defaults to a list of the first twelve names.
    """
    names = [str(candidate) for candidate in known]
    nearest = nearest_name(name, names)
    if nearest is not None:
        return f"did you mean {nearest!r}?"
    if otherwise is not None:
        return otherwise
    return f"choose from {listed(names)}" if names else "there is none to choose from"


def listed(names: list[str]) -> str:
    """Return the first names, and how many more there are, as text."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
