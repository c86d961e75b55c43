"""The last checkpoint of a run, always whole."""
from pathlib import Path
from typing import Any

import lightning as L

from zoo.files import whole_file


class LastCheckpoint(L.Callback):
    """Keep ``last.ckpt`` no older than so many optimizer steps.

    Args:
        path: Written under a temporary name first, so that a kill leaves the one before.
        every_n_steps: Optimizer steps between writes.
    """

    def __init__(self, path: Path, every_n_steps: int) -> None:
        self.path, self.every_n_steps = path, every_n_steps

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (batch_idx + 1) % (self.every_n_steps * trainer.accumulate_grad_batches) == 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        with whole_file(self.path) as temporary:
            trainer.save_checkpoint(temporary)
