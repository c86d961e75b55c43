"""Stages side by side: each in a process of its own, begun as soon as what it reads is done."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from recipes.engine.errors import RecipeError, is_interrupt
from recipes.engine.plan import Step
from zoo.processes import follow_parent, start_method, usable_cores


@dataclass(frozen=True)
class Running:
    """A stage that is at work.

    Args:
        step: The stage.
        process: Its process.
        problems: Where it says what went wrong: lines for the user, none for an interrupt.
    """

    step: Step
    process: BaseProcess
    problems: Connection


def run_in_parallel(take: Callable[[Step], object], steps: Sequence[Step], jobs: int) -> None:
    """Run stages, as many at once as ``jobs``, in the order of the recipe as far as what they read is done.

    At the first error or an interrupt the others are interrupted too, so that they keep what they have.

    Args:
        take: Runs one.
        steps: All of a plan; those to be run are run.
        jobs: How many at once; each has its share of torch's threads.

    Raises:
        RecipeError: A stage failed.
        KeyboardInterrupt: The user or the cluster stopped them.
    """
    behind = _behind(steps)
    waiting = [step for step in steps if step.is_to_run]
    running: list[Running] = []
    with _stopped_by_sigterm():
        try:
            while waiting or running:
                undone = {step.name for step in waiting} | {stage.step.name for stage in running}
                for step in [step for step in waiting if not undone & behind[step.name]][: jobs - len(running)]:
                    waiting.remove(step)
                    _begin(take, step, jobs, running)
                ended = wait([stage.process.sentinel for stage in running])
                for stage in [stage for stage in running if stage.process.sentinel in ended]:
                    running.remove(stage)
                    _end(stage)
        except BaseException:
            _interrupt(running)
            raise


def _behind(steps: Sequence[Step]) -> dict[str, set[str]]:
    """All that a stage goes back to, through what it reads: units that were made earlier name audio that is being made anew."""
    behind: dict[str, set[str]] = {}
    for step in steps:
        behind[step.name] = set(step.fingerprint.upstream).union(*(behind[name] for name in step.fingerprint.upstream))
    return behind


def _begin(take: Callable[[Step], object], step: Step, jobs: int, running: list[Running]) -> None:
    problems, tell = multiprocessing.Pipe(duplex=False)
    process = start_method().Process(
        target=_be_a_stage, args=(take, step, max(1, usable_cores() // jobs), os.getpid(), tell)
    )
    running.append(Running(step, process, problems))  # before it starts: an interrupt finds it
    process.start()
    tell.close()


def _be_a_stage(take: Callable[[Step], object], step: Step, num_threads: int, parent: int, tell: Connection) -> None:
    """Run a stage in this process, which is interrupted by its parent alone: a key that interrupts reaches a group of processes."""
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        follow_parent(parent, num_threads)
        take(step)
    except BaseException as error:
        lines = getattr(error, "lines", None) or [f"stages.{step.name}: {error!r}"]
        tell.send(
            [] if is_interrupt(error) else [line[:2000] for line in lines[:20]]
        )  # no more than a pipe holds unread
        raise SystemExit(1) from None


def _end(stage: Running) -> None:
    """Take leave of a process that has ended.

    Raises:
        RecipeError: It failed, or was killed.
        KeyboardInterrupt: It was interrupted.
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
    """Interrupt stages and wait for them, so that nothing writes any more when the locks are gone; a second interrupt kills them."""
    how = signal.SIGINT
    while started := [stage.process for stage in running if stage.process.pid and stage.process.is_alive()]:
        with suppress(KeyboardInterrupt):
            for process in started:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, how)
            how = signal.SIGKILL
            for process in started:
                process.join()


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM, by which clusters and ``timeout`` stop a run, be an interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
