"""Runs of the command line in processes that are forked from this one, in which torch and Lightning are imported."""

import contextlib
import faulthandler
import importlib
import os
import pkgutil
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning  # noqa: F401  # imported before the fork

import recipes.stages
from recipes.commands.cli import main

POLL_SECONDS = 0.01
PATIENCE_SECONDS = 180.0


@dataclass
class Run:
    """A run of the command line in a process of its own.

    Args:
        pid: Process id; the process leads a group of its own.
        log: File of what it prints.
        started: Time of its start.
    """

    pid: int
    log: Path
    started: float
    code: int | None = None

    @property
    def is_alive(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def error(self) -> str:
        """The last line that it printed."""
        return self.output.strip().rpartition("\n")[2]

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return the exit code; -1000 for a run that has not ended after so many seconds, whose stack is then in its log."""
        until = time.monotonic() + seconds
        while self.is_alive:
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGUSR1)
                time.sleep(0.5)
                self.kill(signal.SIGKILL)
                return -1000
            time.sleep(POLL_SECONDS)
        assert self.code is not None
        return self.code

    def kill(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        if number == signal.SIGKILL:
            while self.is_alive:
                time.sleep(POLL_SECONDS)


def import_stages() -> None:
    """Import all that runs need, without starting a thread."""
    for module in pkgutil.iter_modules(recipes.stages.__path__):
        importlib.import_module(f"recipes.stages.{module.name}")
    for module in ("recipes.engine.run", "recipes.engine.summary", "recipes.commands.run", "zoo.corpora.named_audio"):
        importlib.import_module(module)


def start(
    command: Sequence[str], folder: Path, limits: Mapping[int, int] | None = None, user: int | None = None
) -> Run:
    """Start a command in a folder.

    Args:
        command: Arguments of ``zoo``.
        folder: Working folder; what the command prints goes to ``output.txt`` above it.
        limits: Limits by the names of ``resource``, such as ``RLIMIT_NOFILE``.
        user: User id of the process. Defaults to that of this one.
    """
    log = folder.with_name("output.txt")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Run(pid, log, time.monotonic())
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for kind, limit in (limits or {}).items():
            resource.setrlimit(kind, (limit, limit))
        if user is not None:
            os.setuid(user)
        main(list(command))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
