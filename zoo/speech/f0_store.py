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
from zoo.files import atomic_file
from zoo.processes import map_in_processes
from zoo.speech.f0 import F0Extractor, F0Track

SUFFIX, INDEX = ".f0", ".jsonl"  # of the values, float32 in Hz, and of the list of utterances


@dataclass(frozen=True)
class F0Row:
    """One utterance of a store.

    Args:
        id: Of the utterance.
        speaker: Who speaks.
        start: Its first frame in the file of values.
        frames: Their number.
        mean_hz: Over the voiced frames; 0 where there is none.
        skipped: Why there are no frames, if the audio could not be read.
    """

    id: str
    speaker: str
    start: int
    frames: int
    mean_hz: float
    skipped: str | None = None


class F0Store:
    """Tracks of one split, opened by each process that reads them.

    Args:
        folder: Filled by ``write_f0``.
        split: Such as train.

    Raises:
        FileNotFoundError: Where the folder has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = Path(folder), split
        path = self.folder / (split + INDEX)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no F0 of split {split!r}; run the stage that extracts F0 first, or name another folder"
            )
        with path.open() as lines:
            rows = [F0Row(**json.loads(line)) for line in lines]
        self.rows = [row for row in rows if row.skipped is None]
        self.num_skipped = len(rows) - len(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_values"}

    @cached_property
    def _values(self) -> np.ndarray:
        path = self.folder / (self.split + SUFFIX)
        return np.memmap(path, np.float32, "r") if path.stat().st_size else np.zeros(0, np.float32)

    def track(self, index: int, start: int = 0, frames: int | None = None) -> F0Track:
        """Frames ``start`` to ``start + frames`` of an utterance; to its end if None."""
        row = self.rows[index]
        stop = row.start + (row.frames if frames is None else min(start + frames, row.frames))
        values = torch.from_numpy(np.array(self._values[row.start + start : stop]))
        return F0Track(values.abs(), values > 0)


def write_f0(folder: Path, split: str, cuts: Iterable[Cut], extractor: F0Extractor, num_processes: int = 1) -> F0Store:
    """Compute the F0 of every utterance of one split; what an interrupted run has done is kept.

    The file of values holds Hz as float32, negative where a frame is unvoiced.

    Args:
        folder: Gets ``{split}.f0`` and ``{split}.jsonl``.
        split: Such as train.
        cuts: Of that split, in the same order at every run.
        extractor: Waveform to F0.
        num_processes: That compute at once; the result does not depend on it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index, values = folder / (split + INDEX), folder / (split + SUFFIX)
    if not index.is_file():
        part = folder / f".{split}{INDEX}.part"
        done = _done(part, values)
        with part.open("a") as lines, values.open("ab") as file:
            start = done[-1].start + done[-1].frames if done else 0
            with closing(
                map_in_processes(
                    partial(_compute, extractor=extractor), islice(cuts, len(done), None), num_processes, chunk_size=4
                )
            ) as found:
                for cut_id, speaker, track in tqdm(found, f"F0 {split}", unit=" utterances", delay=3, disable=None):
                    row = _row(cut_id, speaker, start, track)
                    if row.frames:
                        file.write(track.tobytes())
                        file.flush()
                    lines.write(json.dumps(asdict(row)) + "\n")
                    lines.flush()
                    start += row.frames
        os.replace(part, index)
    return F0Store(folder, split)


def _done(part: Path, values: Path) -> list[F0Row]:
    """Rows of an interrupted run; half a line, and values without a line, are taken away."""
    whole = (
        [line for line in part.read_text().splitlines(keepends=True) if line.endswith("\n")] if part.is_file() else []
    )
    with atomic_file(part) as temporary:
        temporary.write_text("".join(whole))
    rows = [F0Row(**json.loads(line)) for line in whole]
    values.touch()
    os.truncate(values, 4 * (rows[-1].start + rows[-1].frames) if rows else 0)
    return rows


def _row(cut_id: str, speaker: str, start: int, track: np.ndarray | str) -> F0Row:
    if isinstance(track, str):
        return F0Row(cut_id, speaker, start, 0, 0.0, track)
    voiced = track[track > 0]
    return F0Row(cut_id, speaker, start, len(track), float(voiced.mean(dtype=np.float64)) if len(voiced) else 0.0)


def _compute(cut: Cut, extractor: F0Extractor) -> tuple[str, str, np.ndarray | str]:
    """Id, speaker, and Hz (T,), negative where unvoiced; instead of them the reason why the audio cannot be read."""
    speaker = to_utterance(cut).speaker
    try:
        track = extractor(load_waveform(cut, extractor.sample_rate))
    except AudioError as error:
        return cut.id, speaker, str(error)
    return cut.id, speaker, torch.where(track.voiced, track.frequency, -track.frequency).numpy().astype(np.float32)
