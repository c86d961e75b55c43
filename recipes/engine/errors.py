"""The error of a recipe or stage, and helpers that classify exceptions and shorten messages."""

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
    """A recipe cannot be run.

    Args:
        lines: One line for each problem.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def shown(value: Any) -> str:
    """Return ``value`` as YAML writes it, shortened to ``MAX_SHOWN_CHARACTERS``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[: MAX_SHOWN_CHARACTERS - 3] + "..."


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error``, then the error it was raised from, and so on back to the first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_disk_full(error: BaseException) -> bool:
    """Return whether the error, or one that it was raised from, reports a full disk or an exceeded quota."""
    for cause in causes(error):
        if getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(message in str(cause) for message in DISK_FULL_MESSAGES):
            return True
    return False


def is_interrupt(error: BaseException) -> bool:
    """Return whether the user or the cluster stopped the run.

    Lightning turns Ctrl-C and SIGTERM into subclasses of SystemExit, which are recognized too.
    """
    if not isinstance(error, SystemExit):
        return isinstance(error, KeyboardInterrupt)
    if type(error).__name__ == "SIGTERMException":
        return True
    return any(isinstance(cause, KeyboardInterrupt) for cause in causes(error))
