"""Run one bad input in a forked process with a time limit, and say how the command line took it."""

import os
import re
import resource
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recipes.commands.cli import main

MAX_LINES = 4
MAX_CHARACTERS = 480
MEMORY_BYTES = 16 * 2**30
# Words that only the inside of a library would use.
INNER_WORDS = re.compile(
    r"NoneType|has no attribute|<class |object at 0x|\bErrno\b|Tensor\.|torch\.Size|size mismatch|\b(Key|Index|Attribute|"
    r"Type|Runtime|ZeroDivision|Overflow|Unicode\w*|Assertion)Error\b|\bmust be str, not|unsupported operand"
)


@dataclass(frozen=True)
class Case:
    """One bad input.

    Args:
        kind: Kind of the input, a line of the table.
        name: What is wrong.
        arguments: Arguments of ``zoo``.
        mentions: Texts of which a clear message has at least one: the key, the file or the option.
        prepare: Makes the input in the working folder.
        is_legal: Whether the value means something after all, so that it may be accepted.
        files: Largest number of open files; None for no limit.
        writes: Name in the working folder that the command may write beside ``runs``.
    """

    kind: str
    name: str
    arguments: tuple[str, ...]
    mentions: tuple[str, ...]
    prepare: Callable[[Path], object] | None = None
    is_legal: bool = False
    files: int | None = None
    writes: str = "out"


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Args:
        case: The case.
        verdict: One of ``VERDICTS``.
        message: What the command printed to the standard error.
        seconds: How long it ran.
    """

    case: Case
    verdict: str
    message: str
    seconds: float


VERDICTS = ("one line", "unclear", "traceback", "unexpected", "hang", "outside", "accepted", "legal")


def run_case(case: Case, folder: Path, seconds: float) -> Outcome:
    """Run a case in an empty working folder, for at most so many seconds."""
    folder.mkdir(parents=True)
    if case.prepare is not None:
        case.prepare(folder)
    before = _files(folder, case.writes)
    started = time.monotonic()
    code = _run_forked(case, folder, seconds)
    elapsed = time.monotonic() - started
    message = (folder / "stderr").read_text(errors="replace")
    verdict = _verdict(case, code, message)
    if _files(folder, case.writes) != before:
        verdict = "outside"
    return Outcome(case, verdict, message, elapsed)


def _run_forked(case: Case, folder: Path, seconds: float) -> int | None:
    """Return the exit status of the command; None if it had to be killed."""
    child = os.fork()
    if child == 0:
        _run_in_child(case, folder)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _run_in_child(case: Case, folder: Path) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        if case.files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (case.files, case.files))
        main(case.arguments)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _files(folder: Path, writes: str) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file that the command must leave alone."""
    found = {}
    for path in sorted(folder.parent.glob("canary*")) + sorted(folder.rglob("*")):
        relative = path.relative_to(folder.parent)
        is_own = relative.parts[1:2] and relative.parts[1] in ("runs", "stdout", "stderr", writes)
        if not is_own and path.is_file() and not path.is_symlink():
            status = path.stat()
            found[str(relative)] = (status.st_size, status.st_mtime_ns)
    return found


def _verdict(case: Case, code: int | None, message: str) -> str:
    if code is None:
        return "legal" if case.is_legal else "hang"
    if "Traceback (most recent call last)" in message:
        return "traceback"
    if "(unexpected;" in message:
        return "unexpected"
    if code == 0:
        return "legal" if case.is_legal else "accepted"
    if code < 0:
        return "traceback"
    lines = [line for line in message.splitlines() if line.startswith(("error:", "zoo "))]
    is_named = any(text in line for text in case.mentions for line in lines)
    is_short = 1 <= len(lines) <= MAX_LINES and all(len(line) <= MAX_CHARACTERS for line in lines)
    if not is_named or not is_short or any(INNER_WORDS.search(line) for line in lines):
        return "unclear"
    return "one line"
