"""Features of transcribed speech on disk: computed once by a frozen encoder, read memory-mapped."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from zoo.files import atomic_file, parse_json, read_json_object, reading
from zoo.speech.encoders import SpeechEncoder
from zoo.tokens.contract import checksum

VALUES = ".f16"  # suffix of the features: little-endian float16
INDEX = ".jsonl"  # suffix of the list of utterances
ENCODER = "encoder.json"
BYTES_PER_VALUE = 2


@dataclass(frozen=True)
class FeatureRow:
    """Index entry of one utterance in a store.

    Args:
        id: Id of the utterance.
        text: Transcript.
        start: Index of the first frame in the file of features.
        frames: Number of frames.
    """

    id: str
    text: str
    start: int
    frames: int


class FeatureStore:
    """Features of one split, memory-mapped separately by each process that reads them.

    Args:
        folder: Folder that ``write_features`` and ``write_encoder`` filled.
        split: Name of the split, such as train.

    Raises:
        FileNotFoundError: If the folder has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = Path(folder)
        self.split = split
        if not (self.folder / f"{split}{INDEX}").is_file():
            raise FileNotFoundError(f"no features of split {split!r} in {folder}: run the stage that stores them first")
        path = self.folder / ENCODER
        with reading(path):
            self.dim = int(read_json_object(path)["dim"])

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "split": self.split, "dim": self.dim}

    @cached_property
    def rows(self) -> list[FeatureRow]:
        """Utterances of the split."""
        path = self.folder / f"{self.split}{INDEX}"
        with reading(path), open(path, encoding="utf-8") as lines:
            return [FeatureRow(**parse_json(line, str(path))) for line in lines]

    @cached_property
    def _values(self) -> np.ndarray:
        path = self.folder / f"{self.split}{VALUES}"
        _require_size(path, 2 * self.dim * sum(row.frames for row in self.rows))
        return np.memmap(path, "<f2", "r").reshape(-1, self.dim)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def frames(self) -> np.ndarray:
        """Number of frames of each utterance, (num_utterances,)."""
        return np.array([row.frames for row in self.rows])

    def features(self, row: int) -> Tensor:
        """Return the features (T, dim) of an utterance."""
        entry = self.rows[row]
        return torch.from_numpy(self._values[entry.start : entry.start + entry.frames].astype(np.float32))


def _require_size(path: Path, num_bytes: int) -> None:
    """Check that a file of values has the length that its index asks for."""
    size = path.stat().st_size if path.is_file() else 0
    if size != num_bytes:
        raise ValueError(
            f"{path}: has {size} bytes, but the index beside it asks for {num_bytes}; run the stage that stores the "
            "features again"
        )


class FeatureWriter:
    """Appends utterances to a store; made by ``write_features``.

    Args:
        values: File of the features.
        index: File of the list of utterances.
    """

    def __init__(self, values: IO[bytes], index: IO[str]) -> None:
        self.values = values
        self.index = index
        self.frames = 0

    def append(self, id: str, text: str, features: Tensor) -> None:
        """Append the features (T, dim) of an utterance."""
        row = FeatureRow(id, text, self.frames, len(features))
        self.values.write(features.cpu().numpy().astype("<f2").tobytes())
        self.index.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        self.frames += len(features)


@contextmanager
def write_features(folder: Path, split: str) -> Generator[FeatureWriter]:
    """Yield the writer of one split; its files are complete or not there.

    Args:
        folder: Folder of the store.
        split: Name of the split.
    """
    with atomic_file(folder / f"{split}{VALUES}") as values, atomic_file(folder / f"{split}{INDEX}") as index:
        with open(values, "wb") as values_file, open(index, "w", encoding="utf-8") as index_file:
            yield FeatureWriter(values_file, index_file)


def describe_encoder(encoder: SpeechEncoder) -> dict[str, Any]:
    """Return what identifies the encoder of a store, as JSON can express it."""
    state = dict(sorted(encoder.state_dict().items()))
    return {
        "class": type(encoder).__name__,
        "arguments": encoder.config(),
        "dim": encoder.dim,
        "frame_rate": encoder.frame_rate,
        "checksum": checksum([*state, *state.values()]),
    }


def write_encoder(folder: Path, encoder: SpeechEncoder) -> None:
    """Write which encoder the features of a store are of."""
    with atomic_file(folder / ENCODER) as path:
        path.write_text(json.dumps(describe_encoder(encoder), indent=2) + "\n")


def require_encoder(folder: Path, encoder: SpeechEncoder) -> None:
    """Check that the features of a store are those of an encoder.

    Raises:
        ValueError: If they are of another one.
    """
    stored = read_json_object(folder / ENCODER)
    own = json.loads(json.dumps(describe_encoder(encoder)))
    for field, value in own.items():
        if stored.get(field) != value:
            raise ValueError(
                f"{folder / ENCODER}: the features are of another encoder: {field} {stored.get(field)!r}, "
                f"but the encoder of the units has {value!r}; use one encoder for both"
            )
