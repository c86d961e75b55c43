"""Interface of the extractors that turn a waveform into one stream of units."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo.files import read_json_object
from zoo.tokens.contract import checksum
from zoo.tokens.units import Stream

Part = TypeVar("Part")


class UnitExtractor(nn.Module, ABC):
    """Extractor of one stream of a speech tokenizer; each extractor is saved to a separate folder.

    Attributes:
        stream: The stream of units.
        sample_rate: Sample rate of the input waveforms in Hz.
        min_samples: Length of the shortest waveform that has units.
    """

    stream: Stream
    sample_rate: int
    min_samples: int

    @abstractmethod
    def encode(self, waveform: Tensor) -> np.ndarray:
        """Return the units (T,) int64 of one waveform (num_samples,).

        Raises:
            ValueError: If the waveform is shorter than ``min_samples``.
        """

    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[np.ndarray]:
        """Return the units of several waveforms, each equal to what ``encode`` returns for it alone."""
        return [self.encode(waveform) for waveform in waveforms]

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return everything besides the weights that the units depend on, as JSON-serializable values."""

    def checksum(self) -> str:
        """Return a hash of everything that the units depend on."""
        state = dict(sorted(self.state_dict().items()))
        return checksum([type(self).__name__, self.config(), *state, *state.values()])

    @abstractmethod
    def save(self, folder: Path | str) -> None:
        """Write the weights as safetensors and the rest as JSON; the folder is written completely or not at all."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path | str) -> "UnitExtractor":
        """Load what ``save`` wrote.

        Raises:
            FileNotFoundError: If the folder holds no such extractor.
        """

    @property
    def device(self) -> torch.device:
        """Device of the weights; the CPU if there are none."""
        first = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    def check_length(self, waveform: Tensor) -> None:
        """Check that a waveform has units.

        Raises:
            ValueError: If the waveform is shorter than ``min_samples``.
        """
        if len(waveform) < self.min_samples:
            raise ValueError(
                f"{len(waveform)} samples are too few for {self.stream.prefix} units: want {self.min_samples} or more"
            )


def save_state(module: nn.Module, path: Path) -> None:
    """Write the state of a module as safetensors."""
    save_file({name: value.cpu().contiguous() for name, value in module.state_dict().items()}, path)


def read_config(path: Path, kind: str) -> dict[str, Any]:
    """Read the JSON file that ``UnitExtractor.save`` wrote.

    Args:
        path: The file.
        kind: Kind of units for the error message, such as pitch.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not valid JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no {path.name} in {path.parent}: run the stage that makes the {kind} units first, or name another folder"
        )
    return read_json_object(path)


def find_class(name: str, known: Mapping[str, type[Part]], kind: str, location: Path) -> type[Part]:
    """Return the class that a configuration names.

    Args:
        name: Name of the class.
        known: Classes that may be named, by name.
        kind: Kind of class for the error message, such as encoder.
        location: File or folder of the configuration, for the error message.

    Raises:
        ValueError: If the name is not known.
    """
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{location}: unknown {kind} {name!r}; known are {', '.join(known)}")
    return known[name]
