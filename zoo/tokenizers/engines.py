"""Where the jobs of tokenizing run: the processes of this machine, or one accelerator. On several machines: ``zoo.tokenizers.ray_engine``."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice

from zoo.processes import start_method, usable_cores, workers
from zoo.tokenizers.jobs import Job, Part, Work, Worker

JOBS_AHEAD = 2  # for each worker, so that none waits


class Engine(ABC):
    """What every engine offers. The parts are the same whichever does the work, and however many workers it has."""

    @abstractmethod
    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Part]:
        """Yield the part of each job as it is done, in any order; jobs are taken from a lazy stream as they are needed."""


class LocalProcesses(Engine):
    """Processes on the cores of this machine, with one thread each: rounding differs with the number of threads, and many
    processes are faster than many threads.

    Args:
        num_processes: One for each core that this process may use, if None.

    Raises:
        ValueError: Where it is not positive.
    """

    def __init__(self, num_processes: int | None = None) -> None:
        if num_processes is not None and num_processes < 1:
            raise ValueError(f"num_processes must be 1 or more, got {num_processes}")
        self.num_processes = num_processes or usable_cores()

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Part]:
        worker = work.worker("cpu") if start_method().get_start_method() == "fork" else None
        with workers(
            self.num_processes, _begin, worker, work, whose=" that tokenize_cuts", kept="; what is done is kept"
        ) as pool:
            yield from self._parts(pool, iter(jobs))

    def _parts(self, pool: ProcessPoolExecutor, jobs: Iterator[Job]) -> Iterator[Part]:
        waiting: set[Future[Part]] = set()
        while True:
            waiting |= {pool.submit(_do, job) for job in islice(jobs, JOBS_AHEAD * self.num_processes - len(waiting))}
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


class OneDevice(Engine):
    """One accelerator, or this process itself.

    Args:
        device: Such as ``cuda``, ``cuda:1`` or ``cpu``.
    """

    def __init__(self, device: str = "cuda") -> None:
        self.device = device

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Part]:
        yield from map(work.worker(self.device), jobs)


_worker: Worker | None = None  # of a process that does jobs


def _begin(worker: Worker | None, work: Work) -> None:
    global _worker
    _worker = worker or work.worker("cpu")


def _do(job: Job) -> Part:
    return _worker(job)
