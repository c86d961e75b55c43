"""Run stages in parallel, each in its own process, started as soon as the stages that it reads are done."""

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
from recipes.engine.interrupts import REPEAT_SECONDS
from recipes.engine.plan import Step
from zoo.processes import follow_parent, start_method, usable_cores


@dataclass(frozen=True)
class Running:
    """A stage that is running.

    Args:
        step: The stage.
        process: The process that runs it.
        problems: Receives the error lines of the process if it fails; an empty list for an interrupt.
    """

    step: Step
    process: BaseProcess
    problems: Connection


def run_in_parallel(take: Callable[[Step], object], steps: Sequence[Step], jobs: int) -> None:
    """Run up to ``jobs`` stages at once, in the order of the recipe, each after the stages that it reads.

    At the first error or interrupt, all running stages are interrupted, so that they can be resumed.

    Args:
        take: Runs one stage.
        steps: All steps of a plan; those with ``is_to_run`` are run.
        jobs: Largest number of stages that run at once; the cores are shared equally among them.

    Raises:
        RecipeError: A stage failed.
        KeyboardInterrupt: The user or the cluster stopped the run.
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
    """Return, for each stage, all stages that it depends on, directly or through other stages.

    Indirect dependencies count even if their files are not read: the units of a tokens stage, for instance, refer to
    the audio files of the corpus stage.
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
    running.append(Running(step, process, problems))  # listed before it starts, so that an interrupt finds it
    process.start()
    sender.close()


def _run_in_process(
    take: Callable[[Step], object], step: Step, num_threads: int, parent: int, problems: Connection
) -> None:
    """Run a stage in this process.

    The process leaves the process group of its parent, so that Ctrl-C, which signals a whole group, does not reach it:
    only the parent interrupts it.
    """
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        follow_parent(parent, num_threads)
        take(step)
    except BaseException as error:
        lines = getattr(error, "lines", None) or [f"stages.{step.name}: {error!r}"]
        lines = [line[:2000] for line in lines[:20]]  # a pipe holds only so much before it is read
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
            "(-9 is mostly a lack of memory): run again, with jobs=1 to use less memory"
        ) from None
    if not lines:
        raise KeyboardInterrupt
    raise RecipeError(*lines)


def _interrupt(running: Sequence[Running]) -> None:
    """Interrupt stages and wait until they have ended, so that none writes after the locks are released.

    The interrupt is repeated, since one that arrives while a destructor runs is lost. A second interrupt of the user
    kills the stages.
    """
    signal_number = signal.SIGINT
    while alive := _alive(running):
        try:
            for process in alive:
                if process.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal_number)
            wait([process.sentinel for process in alive], REPEAT_SECONDS)
        except KeyboardInterrupt:
            signal_number = signal.SIGKILL


def _alive(running: Sequence[Running]) -> list[BaseProcess]:
    return [stage.process for stage in running if stage.process.pid and stage.process.is_alive()]


@contextmanager
def _stopped_by_sigterm() -> Generator[None, None, None]:
    """Turn SIGTERM, by which clusters and ``timeout`` stop a run, into a KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
