"""Tokenization on several machines that Ray has joined to a cluster; needs the extra ``ray``."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import cycle, islice
from typing import Any

import torch

from zoo.optional_packages import require_package
from zoo.ranges import NonNegativeFloat, NumWorkers, PositiveFloat
from zoo.tokenizers.engines import JOBS_AHEAD, Engine
from zoo.tokenizers.jobs import JobResult, TokenizationJob, TokenizationSettings, TokenizationWorker

# RayEngine refuses to be built where Ray is missing.
with suppress(ImportError):
    import ray


class RayEngine(Engine):
    """Ray actors, each with a tokenizer of its own.

    An actor that dies, or whose machine does, is started again and its jobs are run anew. The corpus, the tokenizer and
    the vocabulary must be at the same paths on all machines; only this process writes.

    Args:
        num_workers: Number of actors.
        address: Address of a running cluster; ``auto`` for the cluster that this machine belongs to. By default a
            cluster is started on this machine.
        cpus_per_worker: Processor cores that Ray reserves for each actor, of which the actor uses one.
        gpus_per_worker: GPUs that Ray reserves for each actor; the tokenizers run on them if this is above 0.

    Raises:
        ValueError: Ray is not installed, ``num_workers`` is not positive, or another number is negative.
    """

    def __init__(
        self,
        num_workers: NumWorkers,
        address: str | None = None,
        cpus_per_worker: PositiveFloat = 1.0,
        gpus_per_worker: NonNegativeFloat = 0.0,
    ) -> None:
        require_package("ray", "RayEngine", "ray", "name zoo.tokenizers.engines.LocalProcesses")
        if num_workers < 1 or cpus_per_worker < 0 or gpus_per_worker < 0:
            raise ValueError(
                "num_workers must be 1 or more, cpus_per_worker and gpus_per_worker 0 or more, "
                f"got {num_workers}, {cpus_per_worker}, {gpus_per_worker}"
            )
        self.num_workers = num_workers
        self.address = address
        self.cpus_per_worker = cpus_per_worker
        self.gpus_per_worker = gpus_per_worker

    def run(self, settings: TokenizationSettings, jobs: Iterable[TokenizationJob]) -> Iterator[JobResult]:
        starts_ray = not ray.is_initialized()
        if starts_ray:
            self._start_ray()
        try:
            yield from self._results(settings, iter(jobs))
        finally:
            if starts_ray:
                ray.shutdown()

    def _start_ray(self) -> None:
        if self.address is not None:
            ray.init(address=self.address, log_to_driver=False)
            return
        num_cpus = max(1, round(self.num_workers * self.cpus_per_worker))
        ray.init(log_to_driver=False, num_cpus=num_cpus, include_dashboard=False)

    def _results(self, settings: TokenizationSettings, jobs: Iterator[TokenizationJob]) -> Iterator[JobResult]:
        # Handles of Ray are proxies whose attributes are made at run time.
        remote_class: Any = ray.remote(
            num_cpus=self.cpus_per_worker, num_gpus=self.gpus_per_worker, max_restarts=-1, max_task_retries=-1
        )(_Actor)
        device = "cuda" if self.gpus_per_worker else "cpu"
        actors: list[Any] = [remote_class.remote(settings, device) for _ in range(self.num_workers)]
        actor_of_result = {}
        first_jobs = islice(jobs, JOBS_AHEAD * len(actors))
        for job, actor in zip(first_jobs, cycle(actors), strict=False):
            actor_of_result[actor.run.remote(job)] = actor
        # Whenever an actor has finished a job it is given the next one.
        while actor_of_result:
            (finished,), _ = ray.wait(list(actor_of_result))
            actor = actor_of_result.pop(finished)
            for job in islice(jobs, 1):
                actor_of_result[actor.run.remote(job)] = actor
            yield ray.get(finished)
        for actor in actors:
            ray.kill(actor)


class _Actor:
    """A worker in a process of Ray's.

    Args:
        settings: What is done in each job.
        device: Torch device of the tokenizer.
    """

    def __init__(self, settings: TokenizationSettings, device: str) -> None:
        torch.set_num_threads(1)
        self.worker = TokenizationWorker(settings, device)

    def run(self, job: TokenizationJob) -> JobResult:
        return self.worker(job)
