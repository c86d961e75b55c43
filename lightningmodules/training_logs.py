"""Where a training logs to, and what every training logs besides its losses."""

import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from lightningmodules.attached import add_callbacks, callbacks_of
from zoo.peak_memory import peak_gib

LIGHTNING_DEFAULT = "lightning_logs"


def set_up_logs(trainer: L.Trainer, out: Path) -> None:
    """Keep the loggers that the recipe names, and log to TensorBoard in ``out/logs`` if it names none.

    With ``logger: false`` nothing is logged. Otherwise learning rates, steps per second and memory are logged, too.

    Args:
        trainer: Trainer as the recipe builds it.
        out: Output folder of the stage.
    """
    if not trainer.loggers:
        return
    if len(trainer.loggers) == 1 and _is_default(trainer.loggers[0], trainer):
        trainer.loggers = [TensorBoardLogger(out, name="logs", version="")]
    if not any(isinstance(callback, LearningRateMonitor) for callback in callbacks_of(trainer)):
        add_callbacks(trainer, LearningRateMonitor("step"))
    add_callbacks(trainer, TrainingCosts())


def _is_default(logger: Any, trainer: L.Trainer) -> bool:
    """Whether a logger is the one that a Trainer makes if none is named."""
    if not isinstance(logger, TensorBoardLogger) or logger.name != LIGHTNING_DEFAULT:
        return False
    return str(logger.save_dir) == str(trainer.default_root_dir)


def where_logged(trainer: L.Trainer) -> dict[str, str]:
    """Return a line on where the curves of a training are, for the summary of a stage; none if nothing is logged."""
    places = []
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            places.append(f"tensorboard --logdir {Path(logger.log_dir)}")
        elif isinstance(logger, CSVLogger):
            places.append(str(Path(logger.log_dir) / "metrics.csv"))
        else:
            places.append(type(logger).__name__)
    return {"curves": ", ".join(places)} if places else {}


class TrainingCosts(L.Callback):
    """Logs ``costs/steps_per_second`` since the last time and ``costs/peak_memory_gib``, every ``log_every_n_steps``.

    Memory is that of the GPU, if the module is on one, and otherwise of the process.
    """

    def __init__(self) -> None:
        self.since: tuple[int, float] | None = None  # step and time of the last log

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        every = trainer.log_every_n_steps  # pyrefly: ignore[missing-attribute]  # set by a connector of the trainer
        now = time.perf_counter()
        if self.since is None:
            self.since = step, now
        if trainer.logger is None or not every or step % every or step == self.since[0]:
            return
        last_step, last_time = self.since
        costs = {"costs/steps_per_second": (step - last_step) / (now - last_time)}
        costs["costs/peak_memory_gib"] = _peak_memory(pl_module.device)
        for logger in trainer.loggers:
            logger.log_metrics(costs, step)
        self.since = step, now


def _peak_memory(device: torch.device) -> float:
    """Return the largest memory used so far, in GiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return peak_gib()
