"""Engines that run tokenization jobs: processes on this machine, or one device (see ``ray_engine`` for clusters)."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice

from zoo.processes import start_method, usable_cores, worker_pool
from zoo.ranges import NumProcesses
from zoo.tokenizers.jobs import JobResult, TokenizationJob, TokenizationSettings, TokenizationWorker

JOBS_AHEAD = 2  # jobs submitted for each worker in advance, so that none is idle


class Engine(ABC):
    """Runs tokenization jobs. The results do not depend on the engine, nor on its number of workers."""

    @abstractmethod
    def run(self, settings: TokenizationSettings, jobs: Iterable[TokenizationJob]) -> Iterator[JobResult]:
        """Yield the result of each job when it is done, in any order.

        Args:
            settings: Settings of the tokenization, the same for all jobs.
            jobs: Jobs, read lazily as workers become free.
        """


class LocalProcesses(Engine):
    """Processes on the cores of this machine, with one thread each.

    Results would differ in rounding with the number of threads, and many processes are faster than many threads.

    Args:
        num_processes: Number of processes. Defaults to the number of cores that this process may use.

    Raises:
        ValueError: ``num_processes`` is not positive.
    """

    def __init__(self, num_processes: NumProcesses | None = None) -> None:
        if num_processes is not None and num_processes < 1:
            raise ValueError(f"num_processes must be 1 or more, got {num_processes}")
        self.num_processes = num_processes or usable_cores()

    def run(self, settings: TokenizationSettings, jobs: Iterable[TokenizationJob]) -> Iterator[JobResult]:
        # Forked processes share the weights of a worker that is loaded once; spawned ones load their own.
        worker = settings.create_worker("cpu") if start_method().get_start_method() == "fork" else None
        with worker_pool(
            self.num_processes,
            _start_worker,
            worker,
            settings,
            purpose=" that tokenize",
            remark="; what is done is kept",
        ) as pool:
            yield from self._results(pool, iter(jobs))

    def _results(self, pool: ProcessPoolExecutor, jobs: Iterator[TokenizationJob]) -> Iterator[JobResult]:
        pending: set[Future[JobResult]] = set()
        while True:
            for job in islice(jobs, JOBS_AHEAD * self.num_processes - len(pending)):
                pending.add(pool.submit(_run_job, job))
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


class OneDevice(Engine):
    """One device, used by this process itself.

    Args:
        device: Torch device, such as ``cuda``, ``cuda:1`` or ``cpu``.
    """

    def __init__(self, device: str = "cuda") -> None:
        self.device = device

    def run(self, settings: TokenizationSettings, jobs: Iterable[TokenizationJob]) -> Iterator[JobResult]:
        worker = settings.create_worker(self.device)
        for job in jobs:
            yield worker(job)


_worker: TokenizationWorker | None = None  # the worker of this process, in processes that run jobs


def _start_worker(worker: TokenizationWorker | None, settings: TokenizationSettings) -> None:
    global _worker
    _worker = worker or settings.create_worker("cpu")


def _run_job(job: TokenizationJob) -> JobResult:
    if _worker is None:
        raise RuntimeError("this process was not started as a tokenization worker")
    return _worker(job)
