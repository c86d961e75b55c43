"""What turns a waveform into one stream of units."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.tokens.contract import checksum
from zoo.tokens.units import Stream


class UnitExtractor(nn.Module, ABC):
    """One part of a speech tokenizer; saved to and loaded from a folder of its own.

    Attributes:
        stream: The units it makes.
        sample_rate: Of the waveforms it takes, in Hz.
        min_samples: Shorter waveforms have no units.
    """

    stream: Stream
    sample_rate: int
    min_samples: int

    @abstractmethod
    def encode(self, waveform: Tensor) -> np.ndarray:
        """Units (T,) int64 of one waveform (num_samples,).

        Raises:
            ValueError: Where it is shorter than ``min_samples``.
        """

    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[np.ndarray]:
        """Units of several waveforms, each equal to what ``encode`` gives for it alone."""
        return [self.encode(waveform) for waveform in waveforms]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Everything beside the weights that the units depend on, as JSON can express it."""

    def checksum(self) -> str:
        """Hash of everything that the units depend on."""
        state = dict(sorted(self.state_dict().items()))
        return checksum([type(self).__name__, self.config(), *state, *state.values()])

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and the rest as JSON; the folder appears whole."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> "UnitExtractor":
        """The opposite of ``save``.

        Raises:
            FileNotFoundError: Where the folder holds no such extractor.
        """

    @property
    def device(self) -> torch.device:
        """Where its weights are; the processor, where it has none."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def check_length(self, waveform: Tensor) -> None:
        """Raise ValueError where ``encode`` would."""
        if len(waveform) < self.min_samples:
            raise ValueError(
                f"{len(waveform)} samples are too few for {self.stream.prefix} units: want {self.min_samples} or more"
            )
