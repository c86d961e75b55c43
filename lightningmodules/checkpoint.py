"""Checkpoint of a run that stays complete even if the run is interrupted while it is written."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities import rank_zero_only

from zoo.weights import check_torch_file, read_torch_file, shapes_of

KEYS = ("state_dict", "global_step", "loops", "optimizer_states", "callbacks")


class LastCheckpoint(L.Callback):
    """Saves a checkpoint every ``every_n_steps`` optimizer steps: a file, or a folder of shards, one for each process.

    The one before is kept beside it until the training is complete, for the case that the last one is damaged.

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

    def usable(self, module: L.LightningModule) -> Path | None:
        """Return the checkpoint to resume from: the last, or the one before it; None if there is neither.

        A checkpoint that is cut off, damaged or of another network is set aside with a warning.

        Args:
            module: Module whose training is resumed.
        """
        for path in (self.path, self.previous):
            problem = _problem(path, module) if path.exists() else "does not exist"
            if not problem:
                return path
            if path.exists() and _is_first_process():
                aside = self.path.with_name(f"{self.path.name}.damaged")
                _remove(aside)
                os.replace(path, aside)
                warnings.warn(
                    f"checkpoint {problem}: set aside as {aside.name}; the training resumes from the checkpoint "
                    "before it if there is one, otherwise from the start",
                    stacklevel=2,
                )
        return None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % (self.every_n_steps * trainer.accumulate_grad_batches) == 0:
            self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Write the checkpoint; all processes must call this, and the first one renames it to its final path."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if trainer.is_global_zero and self.path.exists():
            _remove(self.previous)  # before anything is written, so that there are never more than two on the disk
        try:
            trainer.save_checkpoint(self.temporary)
            if trainer.is_global_zero:
                self._move_into_place()
        finally:
            if trainer.is_global_zero:
                _remove(self.temporary)
        trainer.strategy.barrier("LastCheckpoint.save")

    def remove_previous(self) -> None:
        """Delete the checkpoint before the last, once the training is complete."""
        if self.path.exists() and _is_first_process():
            _remove(self.previous)

    def _move_into_place(self) -> None:
        if self.path.exists():
            os.replace(self.path, self.previous)
        os.replace(self.temporary, self.path)


def _is_first_process() -> bool:
    """Return whether this process may rename files; unlike the trainer's, this rank is known before the training."""
    return rank_zero_only.rank == 0  # pyrefly: ignore[missing-attribute]  # set by Lightning


def _problem(path: Path, module: L.LightningModule) -> str:
    """Return what is wrong with a checkpoint, with its path; empty if the training of a module can resume from it."""
    if path.is_dir():  # a folder of shards, which all processes read together
        parts = [part for part in path.rglob("*") if part.is_file()]
        empty = [str(part) for part in parts if not part.stat().st_size]
        if not parts or empty:
            return f"{empty[0] if empty else path} is empty"
        return ""
    try:
        check_torch_file(path)
        content = read_torch_file(path, mmap=True)
    except (ValueError, FileNotFoundError) as error:
        return str(error)
    if not isinstance(content, dict) or any(key not in content for key in KEYS):
        return f"{path} is none of a training"
    stored = shapes_of(content["state_dict"])
    for name, weight in module.named_parameters():
        if weight.requires_grad and stored.get(name) != tuple(weight.shape):
            return f"{path} is of another network (weight {name})"
    return ""


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
