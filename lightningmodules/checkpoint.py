"""The last checkpoint of a run, always whole."""

import os
import shutil
from pathlib import Path
from typing import Any

import lightning as L


class LastCheckpoint(L.Callback):
    """Keep ``last.ckpt`` no older than so many optimizer steps; a file, or a folder where each process writes its shards.

    Args:
        path: Written under a temporary name first, so that a kill leaves the one before.
        every_n_steps: Optimizer steps between writes.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self.path, self.every_n_steps = path, every_n_steps
        self.temporary, self.before = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.before")

    @property
    def found(self) -> Path | None:
        """Where to go on from; None where nothing has been saved."""
        return next((path for path in (self.path, self.before) if path.exists()), None)

    def on_train_batch_end(
        self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % (self.every_n_steps * trainer.accumulate_grad_batches) == 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write it, all processes together; the first one puts it in place."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            trainer.save_checkpoint(self.temporary)
            if trainer.is_global_zero:
                self._put_in_place()
        finally:
            if trainer.is_global_zero:
                _remove(self.temporary)
        trainer.strategy.barrier("LastCheckpoint.save")

    def _put_in_place(self) -> None:
        if self.temporary.is_file() and not self.path.is_dir():
            os.replace(self.temporary, self.path)
            return
        if (
            self.path.exists()
        ):  # a folder cannot be replaced at one stroke: the one before stays until the new one stands
            _remove(self.before)
            os.replace(self.path, self.before)
        os.replace(self.temporary, self.path)
        _remove(self.before)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
