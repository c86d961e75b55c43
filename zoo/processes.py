"""Parallel work in single-threaded processes, which are faster than threads if each item takes little work."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.context import ForkContext, SpawnContext
from typing import Any, TypeVar

import torch
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_AHEAD = 64  # items per process that are taken from a stream at once, so that memory use does not grow with it
PR_SET_PDEATHSIG = 1  # option of prctl in linux/prctl.h
POLL_SECONDS = 0.5  # seconds between checks of a worker whether it should end

_shows_bars = True
_function: Callable[[Any], Any] | None = None  # function that a worker of map_in_processes calls


def map_in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], num_processes: int = 1, chunk_size: int = 1
) -> Generator[Result, None, None]:
    """Yield the result of each item, in the order of the items.

    A caller that may stop before the end should close the generator, so that the processes end at once.

    Args:
        function: Function that is called with each item; its results must be picklable.
        items: Iterable of items, which are taken from it only as they are needed.
        num_processes: Number of processes; with 1, the function is called in this process.
        chunk_size: Number of items that are sent to a process together.

    Raises:
        ValueError: If ``num_processes`` is not positive.
        ChildProcessError: If a process was killed. Errors of ``function`` are raised as they are.
    """
    if num_processes < 1:
        raise ValueError(f"num_processes must be 1 or more, got {num_processes}")
    if num_processes == 1:
        yield from map(function, items)
        return
    stream = iter(items)
    with worker_pool(num_processes, _set_function, function) as pool:
        while block := list(islice(stream, ITEMS_AHEAD * num_processes)):
            yield from pool.map(_call_function, block, chunksize=chunk_size)


@contextmanager
def worker_pool(
    num_processes: int, initializer: Callable[..., None], *arguments: Any, purpose: str = "", remark: str = ""
) -> Generator[ProcessPoolExecutor, None, None]:
    """Yield a pool of processes that ends at once on any error, such as an interrupt, and when its parent is killed.

    Args:
        num_processes: Number of processes.
        initializer: Function that is called in each process with ``arguments``.
        arguments: Arguments of ``initializer``. Forked processes inherit them, so that they need not be picklable.
        purpose: Clause after "processes" in the error message, such as " that tokenize".
        remark: End of the error message, such as a note that finished work is kept.

    Raises:
        ChildProcessError: If a process was killed.
    """
    context = start_method()
    stop = context.RawValue("b", 0)  # no lock, because a killed process might hold it forever
    initial = (os.getpid(), stop, initializer, arguments)
    with ProcessPoolExecutor(num_processes, context, _initialize_worker, initial) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            stop.value = 1
            raise ChildProcessError(
                f"one of {num_processes} processes{purpose} was killed, most likely for lack of memory: "
                f"set a lower num_processes and run again{remark}"
            ) from error
        except BaseException:
            stop.value = 1
            raise


def start_method() -> ForkContext | SpawnContext:
    """Return the multiprocessing context: fork if the platform supports it, otherwise spawn.

    Forked processes share the memory of the weights. Spawned processes import the caller's main module again, which
    scripts seldom guard by ``if __name__ == "__main__"``.
    """
    if "fork" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def follow_parent(parent: int, num_threads: int, is_over: Callable[[], bool] | None = None) -> None:
    """Set up this child process: its number of threads, no progress bars, and an end together with its parent.

    Args:
        parent: Process id of the parent. When it is killed, this process ends in the middle of its work.
        num_threads: Number of torch's threads; the inherited ones do not survive a fork.
        is_over: Polled twice a second; when it returns true, this process ends as well.
    """
    _kill_with_parent(parent)
    torch.set_num_threads(num_threads)
    _disable_bars()
    threading.Thread(target=_exit_with_parent, args=(parent, is_over), daemon=True).start()


@contextmanager
def interrupts_deferred() -> Generator[None, None, None]:
    """Let an interrupt wait for the end of a block that a C library runs with callbacks in Python.

    Such a library drops exceptions of callbacks: an interrupt would be lost, and a sample or a header with it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # interrupts are raised in the main thread only
        return
    received: list[int] = []
    replaced = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(signal.getsignal(number)):
                replaced[number] = signal.signal(number, lambda number, frame: received.append(number))
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        for number in received[:1]:
            signal.raise_signal(number)


def shows_bars() -> bool:
    """Return whether this process may draw progress bars; worker processes may not, as bars overwrite each other."""
    return _shows_bars


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _initialize_worker(
    parent: int, stop: ctypes.c_byte, initializer: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    """Set up a process of a pool; interrupts are ignored, since the parent handles them."""
    follow_parent(parent, 1, lambda: bool(stop.value))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    initializer(*arguments)


def _disable_bars() -> None:
    """Disable all progress bars that this process creates from now on."""
    global _shows_bars
    _shows_bars = False
    initialize = tqdm.__init__

    def initialize_disabled(bar: tqdm, *arguments: Any, **options: Any) -> None:
        initialize(bar, *arguments, **options | {"disable": True})

    tqdm.__init__ = initialize_disabled


def _kill_with_parent(parent: int) -> None:
    """Have Linux kill this process at the moment when its parent ends; elsewhere, it is polled."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before
        os._exit(1)


def _exit_with_parent(parent: int, is_over: Callable[[], bool] | None) -> None:
    """End this process when its parent is gone or ``is_over``; otherwise it would finish its work or wait forever."""
    while os.getppid() == parent and not (is_over is not None and is_over()):
        time.sleep(POLL_SECONDS)
    os._exit(1)


def _set_function(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function


def _call_function(item: Any) -> Any:
    assert _function is not None
    try:
        return _function(item)
    except Exception as error:
        if _is_picklable(error):
            raise
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def _is_picklable(error: Exception) -> bool:
    """Return whether an error can be sent to the parent.

    Some errors of libraries cannot be unpickled, which would break the pool as if this process had been killed.
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
