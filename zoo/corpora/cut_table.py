"""Random access to the utterances of a prepared corpus by index, without the corpus in memory."""

import gzip
import os
import tempfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from lhotse.cut import Cut
from lhotse.serialization import deserialize_item

from zoo.corpora.portable_paths import locate_audio
from zoo.corpora.preparation import read_cuts
from zoo.files import limited_lines, parse_json


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
        starts = [0]
        durations = []
        try:
            with gzip.open(self.path) as packed:
                for line in limited_lines(packed, str(self.path)):
                    file.write(line)
                    starts.append(starts[-1] + len(line))
                    durations.append(self._duration(line, len(starts) - 1))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.path}: damaged or cut gzip file ({error}); run the corpus stage again") from error
        file.flush()
        return _Lines(file, np.array(starts), np.array(durations, dtype=np.float32))

    def _duration(self, line: bytes, number: int) -> float:
        try:
            return float(parse_json(line, f"{self.path}, line {number}")["duration"])
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{self.path}, line {number}: no cut with a duration; run the corpus stage again"
            ) from error

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
        content = parse_json(line, str(self.path))
        locate_audio(content, self.path.parent)
        return deserialize_item(content)
