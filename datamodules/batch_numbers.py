"""Assign numbered batches to processes and to their loader workers; batches are numbered from 0 over all processes."""

from typing import Any

import lightning as L
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

ENDLESS = 1 << 40  # more batches than any training reads


def trainer_of(data_module: L.LightningDataModule) -> L.Trainer:
    """Return the trainer that a DataModule is attached to.

    Raises:
        RuntimeError: It is not attached to a trainer yet.
    """
    if data_module.trainer is None:
        raise RuntimeError(
            f"{type(data_module).__name__} has no trainer yet: pass it to Trainer.fit or Trainer.validate"
        )
    return data_module.trainer


def batches_to_train(trainer: L.Trainer) -> range:
    """Return the numbers of the batches that this process trains on, after those that training has already used.

    Batches are dealt to processes in turn: process ``rank`` of ``world_size`` trains on the batches ``rank``, ``rank +
    world_size``, ``rank + 2 * world_size``, ...
    """
    batches_per_process = trainer.global_step * trainer.accumulate_grad_batches
    first = batches_per_process * trainer.world_size + trainer.global_rank
    return range(first, ENDLESS * trainer.world_size, trainer.world_size)


def batches_of_worker(batches: range) -> range:
    """Return the batches that this loader worker makes: the DataLoader takes one batch from each worker in turn."""
    worker = get_worker_info()
    if worker is None:
        return batches
    return batches[worker.id :: worker.num_workers]


def training_loader(dataset: IterableDataset, num_workers: int) -> DataLoader[Any]:
    """Return a DataLoader over a dataset that yields whole batches; its workers live until training ends."""
    return DataLoader(dataset, batch_size=None, num_workers=num_workers, persistent_workers=num_workers > 0)
