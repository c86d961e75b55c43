"""F0 tracks of a corpus on disk: computed once, read memory-mapped."""

import json
import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lhotse.cut import Cut
from tqdm import tqdm

from zoo.audio import AudioError
from zoo.corpora.utterance import load_waveform, to_utterance
from zoo.files import atomic_file, parse_json, reading
from zoo.processes import map_in_processes
from zoo.speech.f0 import F0Extractor, F0Track

VALUES = ".f0"  # suffix of the values: Hz as little-endian float32, negative where a frame is unvoiced
INDEX = ".jsonl"  # suffix of the list of utterances
BYTES_PER_VALUE = 4


@dataclass(frozen=True)
class F0Row:
    """Index entry of one utterance in a store.

    Args:
        id: Id of the utterance.
        speaker: Name of the speaker.
        start: Index of the first frame in the file of values.
        frames: Number of frames.
        mean_hz: Mean F0 over the voiced frames, in Hz; 0 if there are none.
        skipped: Reason why the audio could not be read; None if it was read.
    """

    id: str
    speaker: str
    start: int
    frames: int
    mean_hz: float
    skipped: str | None = None


@dataclass(frozen=True)
class ExtractedF0:
    """F0 of one utterance, or the reason why it could not be computed.

    Args:
        id: Id of the utterance.
        speaker: Name of the speaker.
        values: F0 in Hz, (T,) float32, negative where unvoiced; None if the audio could not be read.
        error: Reason why the audio could not be read.
    """

    id: str
    speaker: str
    values: np.ndarray | None
    error: str | None = None


class F0Store:
    """F0 tracks of one split, memory-mapped separately by each process that reads them.

    Args:
        folder: Folder written by ``write_f0``.
        split: Name of the split, such as train.

    Raises:
        FileNotFoundError: If the folder has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = Path(folder)
        self.split = split
        path = self.folder / (split + INDEX)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no F0 of split {split!r}; run the stage that extracts F0 first, or name another folder"
            )
        with reading(path), path.open() as lines:
            rows = [F0Row(**parse_json(line, str(path))) for line in lines]
        self.rows = [row for row in rows if row.skipped is None]
        self.num_skipped = len(rows) - len(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory map out when the store is sent to another process."""
        state = dict(vars(self))
        state.pop("_values", None)
        return state

    @cached_property
    def _values(self) -> np.ndarray:
        path = self.folder / (self.split + VALUES)
        num_values = sum(row.frames for row in self.rows)
        size = path.stat().st_size if path.is_file() else 0
        if size != BYTES_PER_VALUE * num_values:
            raise ValueError(
                f"{path}: has {size} bytes, but the index beside it asks for {BYTES_PER_VALUE * num_values}; "
                "run the stage that extracts F0 again"
            )
        if size == 0:  # an empty file cannot be mapped
            return np.zeros(0, np.float32)
        return np.memmap(path, np.float32, "r")

    def track(self, index: int, start: int = 0, frames: int | None = None) -> F0Track:
        """Return the F0 of an utterance or of a section of it.

        Args:
            index: Index of the utterance in ``rows``.
            start: First frame.
            frames: Number of frames; to the end of the utterance if None or beyond it.
        """
        row = self.rows[index]
        last = row.frames if frames is None else min(start + frames, row.frames)
        section = self._values[row.start + start : row.start + last]
        values = torch.from_numpy(np.array(section))
        return F0Track(values.abs(), values > 0)


def write_f0(folder: Path, split: str, cuts: Iterable[Cut], extractor: F0Extractor, num_processes: int = 1) -> F0Store:
    """Compute the F0 of every utterance of one split, and resume an interrupted run where it stopped.

    Args:
        folder: Folder of the store, in which ``{split}.f0`` and ``{split}.jsonl`` are written.
        split: Name of the split, such as train.
        cuts: Utterances of the split, in the same order in every run.
        extractor: Waveform to F0.
        num_processes: Number of processes that compute F0; it does not change the result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index_path = folder / (split + INDEX)
    values_path = folder / (split + VALUES)
    if index_path.is_file():
        return F0Store(folder, split)
    part = folder / f".{split}{INDEX}.part"  # becomes the index when it is complete
    done = _resume(part, values_path)
    start = done[-1].start + done[-1].frames if done else 0
    remaining = islice(cuts, len(done), None)
    extracted = map_in_processes(partial(_extract, extractor=extractor), remaining, num_processes, chunk_size=4)
    with part.open("a") as lines, values_path.open("ab") as values, closing(extracted):
        for result in tqdm(extracted, f"F0 {split}", unit=" utterances", delay=3, disable=None):
            row = _to_row(result, start)
            # Values are written before their row, so that a row in the index guarantees that its values are on disk.
            if result.values is not None and row.frames:
                values.write(result.values.tobytes())
                values.flush()
            lines.write(json.dumps(asdict(row)) + "\n")
            lines.flush()
            start += row.frames
    os.replace(part, index_path)
    return F0Store(folder, split)


def _resume(part: Path, values_path: Path) -> list[F0Row]:
    """Return the rows of an interrupted run, and remove an incomplete last line and values without a row from disk."""
    lines = part.read_text().splitlines(keepends=True) if part.is_file() else []
    complete = [line for line in lines if line.endswith("\n")]
    with atomic_file(part) as temporary:
        temporary.write_text("".join(complete))
    with reading(part):
        rows = [F0Row(**parse_json(line, str(part))) for line in complete]
    num_values = rows[-1].start + rows[-1].frames if rows else 0
    values_path.touch()
    os.truncate(values_path, BYTES_PER_VALUE * num_values)
    return rows


def _to_row(extracted: ExtractedF0, start: int) -> F0Row:
    """Describe an utterance whose values begin at index ``start``."""
    values = extracted.values
    if values is None:
        return F0Row(extracted.id, extracted.speaker, start, 0, 0.0, extracted.error)
    voiced = values[values > 0]
    mean_hz = float(voiced.mean(dtype=np.float64)) if len(voiced) else 0.0
    return F0Row(extracted.id, extracted.speaker, start, len(values), mean_hz)


def _extract(cut: Cut, extractor: F0Extractor) -> ExtractedF0:
    """Compute the F0 of one utterance, or record why its audio could not be read."""
    speaker = to_utterance(cut).speaker
    try:
        track = extractor(load_waveform(cut, extractor.sample_rate))
    except AudioError as error:
        return ExtractedF0(cut.id, speaker, None, str(error))
    values = torch.where(track.voiced, track.frequency, -track.frequency)
    return ExtractedF0(cut.id, speaker, values.numpy().astype(np.float32))
