"""Random access to the utterances of a prepared corpus by index, without the corpus in memory."""

import gzip
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from lhotse.cut import Cut
from lhotse.serialization import deserialize_item

from zoo.corpora.preparation import read_cuts
from zoo.files import parse_json


@dataclass(frozen=True)
class _Lines:
    """A decompressed manifest.

    Args:
        file: Temporary file that holds the lines.
        starts: Offset in the file where each line starts, and the end, (num_utterances + 1,).
        durations: Duration of each utterance in seconds, (num_utterances,).
    """

    file: IO[bytes]
    starts: np.ndarray
    durations: np.ndarray


class CutTable:
    """The cuts of one split, read from disk by index; only 12 bytes per utterance are kept in the memory of a process.

    Args:
        folder: Folder of a prepared corpus.
        split: Name of the split, such as train.

    Raises:
        FileNotFoundError: The corpus has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        read_cuts(folder, split)
        self.path = Path(folder) / f"{split}.jsonl.gz"

    def __getstate__(self) -> dict[str, Any]:
        # Open files cannot be pickled; a process that receives the table decompresses the manifest itself.
        return {"path": self.path}

    @cached_property
    def _lines(self) -> _Lines:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the table)
        with gzip.open(self.path) as packed:
            shutil.copyfileobj(packed, file)
        file.seek(0)
        starts = [0]
        durations = []
        for line in file:
            starts.append(starts[-1] + len(line))
            durations.append(parse_json(line, str(self.path))["duration"])
        return _Lines(file, np.array(starts), np.array(durations, dtype=np.float32))

    @property
    def durations(self) -> np.ndarray:
        """Duration of each utterance in seconds, (num_utterances,)."""
        return self._lines.durations

    def __len__(self) -> int:
        return len(self.durations)

    def __getitem__(self, index: int) -> Cut:
        lines = self._lines
        start = int(lines.starts[index])
        end = int(lines.starts[index + 1])
        # os.pread does not move the file position, which forked loader processes share.
        line = os.pread(lines.file.fileno(), end - start, start)
        return deserialize_item(parse_json(line, str(self.path)))
