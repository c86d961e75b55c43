"""Which batches a process and its loader workers serve; batches are numbered from 0 over all processes."""

from typing import Any

import lightning as L
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

ENDLESS = 1 << 40  # more batches than any training reads


def trainer_of(data_module: L.LightningDataModule) -> L.Trainer:
    """Return the trainer that a DataModule is attached to.

    Raises:
        RuntimeError: Where there is none yet.
    """
    if data_module.trainer is None:
        raise RuntimeError(
            f"{type(data_module).__name__} has no trainer yet: pass it to Trainer.fit or Trainer.validate"
        )
    return data_module.trainer


def batches_to_train(trainer: L.Trainer) -> range:
    """Return the numbers of this process's batches, from the first one after those that were already trained on.

    Processes take turns: of ``world_size`` processes, process ``rank`` serves the batches ``rank``, ``rank +
    world_size``, ...
    """
    batches_per_process = trainer.global_step * trainer.accumulate_grad_batches
    first = batches_per_process * trainer.world_size + trainer.global_rank
    return range(first, ENDLESS * trainer.world_size, trainer.world_size)


def batches_of_worker(batches: range) -> range:
    """Return the share of this loader worker: the DataLoader takes one batch from each worker in turn."""
    worker = get_worker_info()
    if worker is None:
        return batches
    return batches[worker.id :: worker.num_workers]


def training_loader(dataset: IterableDataset, num_workers: int) -> DataLoader[Any]:
    """Return a loader of a dataset that makes whole batches; its workers live until the end of training."""
    return DataLoader(dataset, batch_size=None, num_workers=num_workers, persistent_workers=num_workers > 0)
