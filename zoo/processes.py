"""Work on several cores at once: processes of one thread each, which are faster than many threads where each piece of work is small."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.context import ForkContext, SpawnContext
from typing import Any, TypeVar

import torch
from tqdm import tqdm

Item, Result = TypeVar("Item"), TypeVar("Result")
_bars = True
AHEAD = 64  # items for each process, so that a long stream is never held whole


def map_in_processes(
    do: Callable[[Item], Result], items: Iterable[Item], num_processes: int = 1, chunk_size: int = 1
) -> Iterator[Result]:
    """Yield what is made of each item, in their order. Whoever may stop before the end closes it, so that the processes end at once.

    Args:
        do: Makes it; what it makes is sent back by pickle.
        items: Taken from a lazy stream as they are needed.
        num_processes: That work at once; 1 stays in this one.
        chunk_size: Items that are sent together.

    Raises:
        ValueError: Where there is to be no process.
        ChildProcessError: Where one was killed. Other errors are those of ``do``.
    """
    if num_processes < 1:
        raise ValueError(f"num_processes must be 1 or more, got {num_processes}")
    if num_processes == 1:
        yield from map(do, items)
        return
    items = iter(items)
    with workers(num_processes, _begin, do) as pool:
        while block := list(islice(items, AHEAD * num_processes)):
            yield from pool.map(_do, block, chunksize=chunk_size)


@contextmanager
def workers(
    num_processes: int, begin: Callable[..., None], *given: Any, whose: str = "", kept: str = ""
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes that ends in the middle of its work at any error, such as an interrupt, and with its parent.

    Args:
        num_processes: That work at once.
        begin: Called in each of them, with ``given``.
        given: Goes with the fork where there is one, so that it need not be pickled.
        whose: More of the processes, for the error.
        kept: What is left after it, likewise.

    Raises:
        ChildProcessError: Where one was killed.
    """
    context = start_method()
    stop = context.RawValue("b", 0)  # no lock that a killed process may take with it
    with ProcessPoolExecutor(num_processes, context, _be_a_worker, (os.getpid(), stop, begin, given)) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            stop.value = 1
            raise ChildProcessError(
                f"one of {num_processes} processes{whose} was killed, mostly for want of memory: "
                f"set a lower num_processes and run again{kept}"
            ) from error
        except BaseException:
            stop.value = 1
            raise


def start_method() -> ForkContext | SpawnContext:
    """Forked processes share the weights; spawned ones, where there is no fork, import the caller's main module, which scripts seldom guard."""
    if "fork" in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def _be_a_worker(parent: int, stop: ctypes.c_byte, begin: Callable[..., None], given: tuple[Any, ...]) -> None:
    """Let this process have one thread, show no bars, leave interrupts to its parent, and end when told so or when its parent was killed."""
    follow_parent(parent, 1, lambda: stop.value)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    begin(*given)


def follow_parent(parent: int, num_threads: int, is_over: Callable[[], bool] = lambda: False) -> None:
    """Let this process have so many threads, show no bars, and end in the middle of its work when it ``is_over`` or its parent was killed.

    Args:
        parent: Its process number.
        num_threads: For torch; inherited ones do not survive a fork.
        is_over: EvaluationData twice a second.
    """
    global _bars
    torch.set_num_threads(num_threads)
    _bars, shown = False, tqdm.__init__
    tqdm.__init__ = lambda bar, *given, **named: shown(bar, *given, **named | {"disable": True})
    threading.Thread(target=_watch, args=(parent, is_over), daemon=True).start()


def shows_bars() -> bool:
    """Whether this process may draw progress bars: those of several at once would draw over each other."""
    return _bars


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _watch(parent: int, is_over: Callable[[], bool]) -> None:
    """End in the middle of the work; else this process would finish it, or wait for ever."""
    while os.getppid() == parent and not is_over():
        time.sleep(0.5)
    os._exit(1)


_work: Callable[[Any], Any] | None = None  # of a process that works


def _begin(do: Callable[[Any], Any]) -> None:
    global _work
    _work = do


def _do(item: Any) -> Any:
    try:
        return _work(item)
    except Exception as error:
        if _can_be_sent(error):
            raise
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def _can_be_sent(error: Exception) -> bool:
    """Some errors of libraries cannot be made again from what they hold, which would look as if this process had been killed."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
