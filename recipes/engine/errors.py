"""What a recipe can get wrong, told in its own terms."""

import difflib
from collections.abc import Iterable
from typing import Any


class RecipeError(ValueError):
    """A recipe that cannot be run; ``lines`` holds one line per error."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of ``known`` was meant by ``name``, or list them."""
    names = [str(k) for k in known]
    near = difflib.get_close_matches(str(name), names, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    if not names:
        return "there is none to choose from"
    listed = ", ".join(names[:12])
    return f"choose from {listed}{f' and {len(names) - 12} more' if len(names) > 12 else ''}"


def shown(value: Any) -> str:
    """``value`` as a recipe would write it, cut to a line."""
    text = (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else repr(value)
    )
    return text if len(text) <= 60 else text[:57] + "..."
