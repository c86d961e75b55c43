"""Training and validation data of a pitch VQ-VAE: random segments of F0 tracks."""

from collections.abc import Iterator
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from datamodules.batch_numbers import batches_of_worker, batches_to_train, trainer_of, training_loader
from zoo.ranges import NumWorkers, PositiveInt, Seed, Size
from zoo.speech.f0 import HOP_SAMPLES
from zoo.speech.f0_normalization import network_input
from zoo.speech.f0_store import F0Store


class F0DataModule(L.LightningDataModule):
    """Random segments of F0 tracks, from which the mean F0 of the whole utterance is subtracted.

    A batch is a dictionary. ``tracks`` (B, 2, T) is the input of a ``PitchVQVAE``: channel 0 is the frequency in Hz,
    channel 1 is 1 in voiced frames and else 0. ``mean_hz`` (B, 1) is the mean that was subtracted, in Hz. Every frame
    of the corpus is about equally likely. Utterances that are shorter than a segment or have no voiced frame are left
    out; ``num_left_out`` is their number. Validation uses whole utterances, cut to a multiple of ``frames_per_unit``.

    Args:
        tracks: Folder filled by a stage that extracts F0.
        segment_samples: Length of a segment in samples at 16 kHz; a multiple of 80 times ``frames_per_unit``.
        batch_size: Segments per device, B.
        normalize: Whether the mean F0 is subtracted.
        frames_per_unit: Number of frames that the VQ-VAE maps to one unit.
        split: Split used for training.
        validation_split: Split used for validation; if there are enough speakers, its speakers differ from those of
            ``split``.
        num_validation: Largest number of validation utterances, evenly spread over the split.
        num_workers: Loader processes per device.
        seed: Seed of the random segments.

    Raises:
        ValueError: A segment is not a whole number of units.
    """

    def __init__(
        self,
        tracks: Path,
        segment_samples: PositiveInt = 16640,
        batch_size: Size = 16,
        normalize: bool = True,
        frames_per_unit: Size = 16,
        split: str = "train",
        validation_split: str = "dev",
        num_validation: Size = 500,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        samples_per_unit = HOP_SAMPLES * frames_per_unit
        if segment_samples % samples_per_unit:
            raise ValueError(
                f"segment_samples {segment_samples} is not a multiple of {samples_per_unit}, the samples of one unit"
            )
        self.tracks = Path(tracks)
        self.segment_frames = segment_samples // HOP_SAMPLES
        self.batch_size = batch_size
        self.normalize = normalize
        self.frames_per_unit = frames_per_unit
        self.split = split
        self.validation_split = validation_split
        self.num_validation = num_validation
        self.num_workers = num_workers
        self.seed = seed

    def setup(self, stage: str) -> None:
        """Open both splits and choose the utterances that are long enough.

        Raises:
            ValueError: No utterance has both a voiced frame and the length of a segment.
        """
        self.training = F0Store(self.tracks, self.split)
        self.validation = F0Store(self.tracks, self.validation_split)
        frames = np.array([row.frames if row.mean_hz else 0 for row in self.training.rows])
        self.chosen = np.flatnonzero(frames >= self.segment_frames)
        self.num_left_out = len(frames) - len(self.chosen)
        if not len(self.chosen):
            longest = max(frames, default=0) * HOP_SAMPLES
            raise ValueError(
                f"{self.tracks}: no utterance of split {self.split!r} has a voiced frame and segment_samples "
                f"{self.segment_frames * HOP_SAMPLES}; the longest has {longest}: use shorter segments"
            )

    def train_dataloader(self) -> DataLoader:
        segments = F0Segments(
            self.training,
            self.chosen,
            self.segment_frames,
            self.batch_size,
            self.normalize,
            batches_to_train(trainer_of(self)),
            self.seed,
        )
        return training_loader(segments, self.num_workers)

    def val_dataloader(self) -> DataLoader:
        utterances = F0Utterances(self.validation, self.frames_per_unit, self.normalize, self.num_validation)
        return DataLoader(utterances, batch_size=None)


class F0Segments(IterableDataset):
    """Batches of random segments; batch ``n`` is a pure function of (seed, n), whatever the number of workers.

    Args:
        store: The F0 tracks.
        chosen: Rows of the store to draw from, each at least as long as a segment.
        segment_frames: Frames in a segment, T.
        batch_size: Segments in a batch, B.
        normalize: Whether the mean F0 is subtracted.
        batches: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the random segments.
    """

    def __init__(
        self,
        store: F0Store,
        chosen: np.ndarray,
        segment_frames: int,
        batch_size: int,
        normalize: bool,
        batches: range,
        seed: int,
    ) -> None:
        self.store = store
        self.chosen = chosen
        self.segment_frames = segment_frames
        self.batch_size = batch_size
        self.normalize = normalize
        self.batches = batches
        self.seed = seed
        # The possible starts of all utterances are numbered consecutively; an utterance of n frames has
        # n - segment_frames + 1 of them. ``ends`` holds the end of the numbers of each utterance, (utterances,).
        self.ends = np.cumsum([store.rows[row].frames - segment_frames + 1 for row in chosen])

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for number in batches_of_worker(self.batches):
            yield self.batch(number)

    def batch(self, number: int) -> dict[str, Tensor]:
        """Return batch ``number``: ``tracks`` (B, 2, T) and ``mean_hz`` (B, 1)."""
        start_numbers = np.random.default_rng([self.seed, 1, number]).integers(self.ends[-1], size=self.batch_size)
        rows = np.searchsorted(self.ends, start_numbers, side="right")
        starts = start_numbers - np.concatenate([[0], self.ends])[rows]
        segments = []
        for row, start in zip(rows, starts, strict=True):
            track = segment(self.store, int(self.chosen[row]), int(start), self.segment_frames, self.normalize)
            segments.append(track)
        return {name: torch.stack([track[name] for track in segments]) for name in segments[0]}


class F0Utterances(Dataset):
    """Whole utterances with a voiced frame, in batches of one.

    Args:
        store: The F0 tracks.
        frames_per_unit: Tracks are cut to a multiple of this.
        normalize: Whether the mean F0 is subtracted.
        limit: Largest number of utterances, evenly spread over the store.
    """

    def __init__(self, store: F0Store, frames_per_unit: int, normalize: bool, limit: int) -> None:
        self.store = store
        self.frames_per_unit = frames_per_unit
        self.normalize = normalize
        voiced = [index for index, row in enumerate(store.rows) if row.mean_hz and row.frames >= frames_per_unit]
        rows = np.array(voiced, dtype=np.int64)
        evenly_spread = np.linspace(0, len(rows) - 1, min(limit, len(rows))).round().astype(np.int64)
        self.chosen = rows[evenly_spread]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        row = int(self.chosen[index])
        frames = self.store.rows[row].frames // self.frames_per_unit * self.frames_per_unit
        track = segment(self.store, row, 0, frames, self.normalize)
        return {name: value[None] for name, value in track.items()}


def segment(store: F0Store, row: int, start: int, frames: int, normalize: bool) -> dict[str, Tensor]:
    """Return ``frames`` frames of one utterance from ``start``: ``tracks`` (2, frames) and ``mean_hz`` (1,)."""
    mean = torch.tensor([store.rows[row].mean_hz if normalize else 0.0])
    return {"tracks": network_input(store.track(row, start, frames), mean), "mean_hz": mean}
