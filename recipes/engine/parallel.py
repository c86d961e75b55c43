"""Stages in parallel: each in a process of its own, started as soon as what it reads is done."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from recipes.engine.errors import RecipeError, is_interrupt
from recipes.engine.plan import Step
from zoo.processes import follow_parent, start_method, usable_cores


@dataclass(frozen=True)
class Running:
    """A stage that is running.

    Args:
        step: The stage.
        process: The process that runs it.
        problems: Receives what went wrong in the process: lines for the user, none for an interrupt.
    """

    step: Step
    process: BaseProcess
    problems: Connection


def run_in_parallel(take: Callable[[Step], object], steps: Sequence[Step], jobs: int) -> None:
    """Run up to ``jobs`` stages at once, in the order of the recipe as far as what they read is done.

    At the first error or an interrupt the others are interrupted too, so that they keep what they have.

    Args:
        take: Runs one stage.
        steps: All of a plan; those that are to run are run.
        jobs: How many stages run at once; each has its share of torch's threads.

    Raises:
        RecipeError: A stage failed.
        KeyboardInterrupt: The user or the cluster stopped them.
    """
    ancestors = _ancestors(steps)
    waiting = [step for step in steps if step.is_to_run]
    running: list[Running] = []
    with _stopped_by_sigterm():
        try:
            while waiting or running:
                undone = {step.name for step in [*waiting, *(stage.step for stage in running)]}
                ready = [step for step in waiting if not undone & ancestors[step.name]]
                for step in ready[: jobs - len(running)]:
                    waiting.remove(step)
                    _start(take, step, jobs, running)
                ended = wait([stage.process.sentinel for stage in running])
                for stage in list(running):
                    if stage.process.sentinel in ended:
                        running.remove(stage)
                        _finish(stage)
        except BaseException:
            _interrupt(running)
            raise


def _ancestors(steps: Sequence[Step]) -> dict[str, set[str]]:
    """Return all stages that each goes back to, directly or through others that it reads.

    Those it does not read count too: units that were made earlier name audio that is being made anew.
    """
    ancestors: dict[str, set[str]] = {}
    for step in steps:
        upstream = set(step.fingerprint.upstream)
        ancestors[step.name] = upstream.union(*(ancestors[name] for name in upstream))
    return ancestors


def _start(take: Callable[[Step], object], step: Step, jobs: int, running: list[Running]) -> None:
    problems, sender = multiprocessing.Pipe(duplex=False)
    num_threads = max(1, usable_cores() // jobs)
    process = start_method().Process(target=_run_in_process, args=(take, step, num_threads, os.getpid(), sender))
    running.append(Running(step, process, problems))  # before it starts: an interrupt finds it
    process.start()
    sender.close()


def _run_in_process(
    take: Callable[[Step], object], step: Step, num_threads: int, parent: int, problems: Connection
) -> None:
    """Run a stage in this process, which its parent alone interrupts: Ctrl-C reaches a whole group of processes."""
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        follow_parent(parent, num_threads)
        take(step)
    except BaseException as error:
        lines = getattr(error, "lines", None) or [f"stages.{step.name}: {error!r}"]
        lines = [line[:2000] for line in lines[:20]]  # no more than a pipe holds unread
        problems.send([] if is_interrupt(error) else lines)
        raise SystemExit(1) from None


def _finish(stage: Running) -> None:
    """Join a process that has ended.

    Raises:
        RecipeError: The stage failed, or its process was killed.
        KeyboardInterrupt: The stage was interrupted.
    """
    stage.process.join()
    if stage.process.exitcode == 0:
        return
    try:
        lines = stage.problems.recv()
    except EOFError:
        raise RecipeError(
            f"stages.{stage.step.name}: its process died with exit code {stage.process.exitcode} "
            "(-9 is mostly for want of memory): run again, with jobs=1 for less memory"
        ) from None
    if not lines:
        raise KeyboardInterrupt
    raise RecipeError(*lines)


def _interrupt(running: Sequence[Running]) -> None:
    """Interrupt stages and wait for them, so that nothing writes any more when the locks are released.

    A second interrupt kills them.
    """
    how = signal.SIGINT
    while alive := _alive(running):
        with suppress(KeyboardInterrupt):
            for process in alive:
                if process.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, how)
            how = signal.SIGKILL
            for process in alive:
                process.join()


def _alive(running: Sequence[Running]) -> list[BaseProcess]:
    return [stage.process for stage in running if stage.process.pid and stage.process.is_alive()]


@contextmanager
def _stopped_by_sigterm() -> Generator[None, None, None]:
    """Make SIGTERM, by which clusters and ``timeout`` stop a run, an interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
