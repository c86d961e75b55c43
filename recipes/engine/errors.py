"""Errors of recipes and their stages, and what an exception means for the user."""

import errno
from collections.abc import Iterator
from typing import Any

MAX_SHOWN_CHARACTERS = 60
# Messages of writers that report a full disk in text only, without an error number.
DISK_FULL_MESSAGES = (
    "No space left on device",
    "Disk quota exceeded",
    "PytorchStreamWriter failed writing",
    "unexpected pos",
)


class RecipeError(ValueError):
    """A recipe that cannot be run; ``lines`` holds one line per error."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def shown(value: Any) -> str:
    """Return ``value`` as a recipe would write it, cut to a line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 3] + "..."


def one_line(error: BaseException) -> str:
    """Return the message without line breaks, or the error's name where there is none."""
    return " ".join(str(error).split()) or type(error).__name__


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and what it was raised from, back to the first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_disk_full(error: BaseException) -> bool:
    """Whether the error, or one that it was raised from, says that there was no space to write."""
    for cause in causes(error):
        if getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(message in str(cause) for message in DISK_FULL_MESSAGES):
            return True
    return False


def is_interrupt(error: BaseException) -> bool:
    """Whether the user or the cluster stopped the work; Lightning turns Ctrl-C and SIGTERM into kinds of SystemExit."""
    if not isinstance(error, SystemExit):
        return isinstance(error, KeyboardInterrupt)
    if type(error).__name__ == "SIGTERMException":
        return True
    return any(isinstance(cause, KeyboardInterrupt) for cause in causes(error))
