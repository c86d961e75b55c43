"""Access to the DataModule and the callbacks of a trainer, which Lightning sets but does not declare."""

from typing import Any

import lightning as L


def data_module_of(trainer: L.Trainer) -> Any:
    """Return the DataModule that the trainer trains on."""
    return trainer.datamodule  # pyrefly: ignore[missing-attribute]  # set by Lightning as training starts


def callbacks_of(trainer: L.Trainer) -> list[L.Callback]:
    """Return the callbacks of a trainer."""
    return trainer.callbacks  # pyrefly: ignore[missing-attribute]  # set by a connector of the trainer


def add_callbacks(trainer: L.Trainer, *callbacks: L.Callback) -> None:
    """Append callbacks to those of a trainer."""
    callbacks_of(trainer).extend(callbacks)
