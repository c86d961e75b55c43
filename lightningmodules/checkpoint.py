"""Checkpoint of a run that stays complete even if the run is interrupted while it is written."""

import os
import shutil
from pathlib import Path
from typing import Any

import lightning as L


class LastCheckpoint(L.Callback):
    """Saves a checkpoint every ``every_n_steps`` optimizer steps: a file, or a folder of shards, one for each process.

    Args:
        path: Path of the checkpoint. It is written under a temporary name first, so that an interrupt leaves the
            previous one.
        every_n_steps: Optimizer steps between checkpoints.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self.path = path
        self.every_n_steps = every_n_steps
        self.temporary = path.with_name(f".{path.name}.part")
        self.previous = path.with_name(f".{path.name}.before")

    @property
    def existing(self) -> Path | None:
        """Path of the checkpoint to resume from; None if nothing has been saved."""
        for path in (self.path, self.previous):
            if path.exists():
                return path
        return None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % (self.every_n_steps * trainer.accumulate_grad_batches) == 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write the checkpoint; all processes must call this, and the first one renames it to its final path."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            trainer.save_checkpoint(self.temporary)
            if trainer.is_global_zero:
                self._move_into_place()
        finally:
            if trainer.is_global_zero:
                _remove(self.temporary)
        trainer.strategy.barrier("LastCheckpoint.save")

    def _move_into_place(self) -> None:
        if self.temporary.is_file() and not self.path.is_dir():
            os.replace(self.temporary, self.path)
            return
        # A folder cannot be replaced atomically: the previous one is kept until the new one has its final name.
        if self.path.exists():
            _remove(self.previous)
            os.replace(self.path, self.previous)
        os.replace(self.temporary, self.path)
        _remove(self.previous)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
