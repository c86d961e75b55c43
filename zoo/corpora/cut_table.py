"""Any utterance of a prepared corpus by its number, without the corpus in memory."""

import gzip
import json
import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from lhotse.cut import Cut
from lhotse.serialization import deserialize_item

from zoo.corpora.preparation import read_cuts


class CutTable:
    """The cuts of one split; opened once in every process, with 12 bytes an utterance in memory and the rest on disk.

    Args:
        folder: A prepared corpus.
        split: Such as train.

    Raises:
        FileNotFoundError: Where the corpus has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        read_cuts(folder, split)
        self.path = Path(folder) / f"{split}.jsonl.gz"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    @cached_property
    def _lines(self) -> tuple[Any, np.ndarray, np.ndarray]:
        """The manifest unpacked into a file without a name; where each of its lines begins, and the seconds of its audio."""
        file, durations = tempfile.TemporaryFile(), []
        with gzip.open(self.path) as packed:
            shutil.copyfileobj(packed, file)
        file.seek(0)
        starts = [0]
        for line in file:
            starts.append(starts[-1] + len(line))
            durations.append(json.loads(line)["duration"])
        return file, np.array(starts), np.array(durations, dtype=np.float32)

    @property
    def durations(self) -> np.ndarray:
        """Seconds of each, (utterances,)."""
        return self._lines[2]

    def __len__(self) -> int:
        return len(self.durations)

    def __getitem__(self, row: int) -> Cut:
        file, starts, _ = self._lines
        # pread, since forked loader processes share the place in the file.
        return deserialize_item(
            json.loads(os.pread(file.fileno(), int(starts[row + 1] - starts[row]), int(starts[row])))
        )
