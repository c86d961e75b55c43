"""Tokenizing on several machines that Ray has joined to a cluster; needs the extra ``ray``."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from zoo.tokenizers.engines import JOBS_AHEAD, Engine
from zoo.tokenizers.jobs import Job, Part, Work, Worker

try:
    import ray
except ImportError:
    ray = None


class RayEngine(Engine):
    """Ray actors, each with a tokenizer of its own. One that dies, or whose machine does, is started again and given its jobs anew.

    The corpus, the tokenizer and the vocabulary must be at the same paths on all machines; only this process writes.

    Args:
        num_workers: Actors.
        address: Of a running cluster; ``auto`` for the one that this machine belongs to; None starts one on this machine.
        cpus_per_worker: That Ray reserves for each; one thread of them computes.
        gpus_per_worker: Likewise; above 0 the tokenizers compute there.

    Raises:
        ValueError: Where Ray is not installed, or a number is not positive.
    """

    def __init__(
        self, num_workers: int, address: str | None = None, cpus_per_worker: float = 1.0, gpus_per_worker: float = 0.0
    ) -> None:
        if ray is None:
            raise ValueError(
                "RayEngine needs Ray: pip install 'spiritlm-zoo[ray]', or name zoo.tokenizers.engines.LocalProcesses"
            )
        if num_workers < 1 or cpus_per_worker < 0 or gpus_per_worker < 0:
            raise ValueError(
                f"num_workers must be 1 or more, and what each takes not negative, got {num_workers}, {cpus_per_worker}, {gpus_per_worker}"
            )
        self.num_workers, self.address = num_workers, address
        self.cpus_per_worker, self.gpus_per_worker = cpus_per_worker, gpus_per_worker

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Part]:
        is_ours = not ray.is_initialized()
        if is_ours:
            own = (
                {"num_cpus": max(1, round(self.num_workers * self.cpus_per_worker)), "include_dashboard": False}
                if self.address is None
                else {}
            )
            ray.init(address=self.address, log_to_driver=False, **own)
        try:
            yield from self._run(work, iter(jobs))
        finally:
            if is_ours:
                ray.shutdown()

    def _run(self, work: Work, jobs: Iterator[Job]) -> Iterator[Part]:
        kind = ray.remote(
            num_cpus=self.cpus_per_worker, num_gpus=self.gpus_per_worker, max_restarts=-1, max_task_retries=-1
        )(_Actor)
        actors = [kind.remote(work, "cuda" if self.gpus_per_worker else "cpu") for _ in range(self.num_workers)]
        owners = {
            actor.do.remote(job): actor
            for job, actor in zip(islice(jobs, JOBS_AHEAD * len(actors)), JOBS_AHEAD * actors)
        }
        while owners:
            (done,), _ = ray.wait(list(owners))
            actor = owners.pop(done)
            owners |= {actor.do.remote(job): actor for job in islice(jobs, 1)}
            yield ray.get(done)
        for actor in actors:
            ray.kill(actor)


class _Actor:
    """A worker in a process of Ray's.

    Args:
        work: What to do.
        device: Where the tokenizer computes.
    """

    def __init__(self, work: Work, device: str) -> None:
        torch.set_num_threads(1)
        self.worker = Worker(work, device)

    def do(self, job: Job) -> Part:
        return self.worker(job)
