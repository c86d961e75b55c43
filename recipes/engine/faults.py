"""What went wrong, told in a line."""

import errno
from collections.abc import Iterator

DISK_FULL = ("No space left on device", "Disk quota exceeded", "PytorchStreamWriter failed writing", "unexpected pos")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and what it was raised from, back to the first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_disk_full(error: BaseException) -> bool:
    """Whether there was no space to write; some writers say so in text only."""
    return any(
        getattr(e, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(t in str(e) for t in DISK_FULL)
        for e in causes(error)
    )


def is_interrupt(error: BaseException) -> bool:
    """Whether the user or the cluster stopped it; Lightning turns Ctrl-C and SIGTERM into kinds of SystemExit."""
    if not isinstance(error, SystemExit):
        return isinstance(error, KeyboardInterrupt)
    return type(error).__name__ == "SIGTERMException" or any(isinstance(e, KeyboardInterrupt) for e in causes(error))


def one_line(error: BaseException) -> str:
    """The message without line breaks, or the error's name where there is none."""
    return " ".join(str(error).split()) or type(error).__name__
