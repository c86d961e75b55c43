"""F0 segments, to train a pitch VQ-VAE; crops of styled speech, to train a style encoder."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lhotse.cut import Cut
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import load_waveform, to_utterance
from zoo.speech.f0 import HOP_SAMPLES
from zoo.speech.f0_store import F0Store
from zoo.speech.pitch_units import network_input

ENDLESS = 1 << 40


class F0DataModule(L.LightningDataModule):
    """Serves random segments of F0 tracks, each less the mean of its whole utterance.

    A batch is a dictionary: ``tracks`` (B, 2, T), frequency in Hz and 1 where voiced, as a ``PitchVQVAE`` takes them, and
    ``mean_hz`` (B, 1), what was taken away. Segments are drawn so that every frame is as likely. Utterances shorter than a
    segment, and those without a voiced frame, are left out; ``num_left_out`` tells how many. Validation is on whole
    utterances, cut to a multiple of ``frames_per_unit``.

    Args:
        tracks: Folder filled by a stage that extracts F0.
        segment_samples: Length of a segment, in samples at 16 kHz; a multiple of 80 times ``frames_per_unit``.
        batch_size: Segments per device.
        normalize: Whether the mean is taken away.
        frames_per_unit: Of the VQ-VAE.
        split: Trained on.
        validation_split: Of other speakers, where there are enough.
        num_validation: At most so many utterances of it, evenly spread.
        num_workers: Loader processes per device.
        seed: Of the draw.

    Raises:
        ValueError: Where a segment is not a whole number of units.
    """

    def __init__(
        self,
        tracks: Path,
        segment_samples: int = 16640,
        batch_size: int = 16,
        normalize: bool = True,
        frames_per_unit: int = 16,
        split: str = "train",
        validation_split: str = "dev",
        num_validation: int = 500,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if segment_samples % (HOP_SAMPLES * frames_per_unit):
            raise ValueError(
                f"segment_samples {segment_samples} is no multiple of {HOP_SAMPLES * frames_per_unit}, the samples of one unit"
            )
        self.tracks, self.segment_frames, self.batch_size = Path(tracks), segment_samples // HOP_SAMPLES, batch_size
        self.normalize, self.frames_per_unit, self.split, self.validation_split = (
            normalize,
            frames_per_unit,
            split,
            validation_split,
        )
        self.num_validation, self.num_workers, self.seed = num_validation, num_workers, seed

    def setup(self, stage: str) -> None:
        self.training, self.validation = F0Store(self.tracks, self.split), F0Store(self.tracks, self.validation_split)
        frames = np.array([row.frames if row.mean_hz else 0 for row in self.training.rows])
        self.chosen = np.flatnonzero(frames >= self.segment_frames)
        self.num_left_out = len(frames) - len(self.chosen)
        if not len(self.chosen):
            raise ValueError(
                f"{self.tracks}: no utterance of split {self.split!r} has a voiced frame and segment_samples "
                f"{self.segment_frames * HOP_SAMPLES}; the longest has {max(frames, default=0) * HOP_SAMPLES}: take shorter segments"
            )

    def train_dataloader(self) -> DataLoader:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        # A resumed run goes on with the batch after the last one it trained on.
        first = self.trainer.global_step * self.trainer.accumulate_grad_batches
        batches = range(first * world + rank, ENDLESS * world, world)
        segments = F0Segments(
            self.training, self.chosen, self.segment_frames, self.batch_size, self.normalize, batches, self.seed
        )
        return DataLoader(
            segments, batch_size=None, num_workers=self.num_workers, persistent_workers=self.num_workers > 0
        )

    def val_dataloader(self) -> DataLoader:
        return DataLoader(
            F0Utterances(self.validation, self.frames_per_unit, self.normalize, self.num_validation), batch_size=None
        )


class F0Segments(IterableDataset):
    """Batch ``n`` is a pure function of ``(seed, n)``: neither workers nor interruptions change the data.

    Args:
        store: The tracks.
        chosen: Which of them, each at least a segment long.
        segment_frames: Frames in a segment.
        batch_size: Segments in a batch.
        normalize: Whether the mean is taken away.
        batches: Which batches to serve; the end may be out of reach.
        seed: Of the draw.
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
        self.store, self.chosen, self.segment_frames, self.batch_size = store, chosen, segment_frames, batch_size
        self.normalize, self.batches, self.seed = normalize, batches, seed
        self.ends = np.cumsum(
            [store.rows[row].frames - segment_frames + 1 for row in chosen]
        )  # possible starts, one utterance after another

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()  # the DataLoader takes one batch from each worker in turn
        yield from map(self.batch, self.batches[worker.id :: worker.num_workers] if worker else self.batches)

    def batch(self, n: int) -> dict[str, Tensor]:
        places = np.random.default_rng([self.seed, 1, n]).integers(self.ends[-1], size=self.batch_size)
        rows = np.searchsorted(self.ends, places, side="right")
        starts = places - np.concatenate([[0], self.ends])[rows]
        items = [
            segment(self.store, int(self.chosen[row]), int(start), self.segment_frames, self.normalize)
            for row, start in zip(rows, starts)
        ]
        return {name: torch.stack([item[name] for item in items]) for name in items[0]}


class F0Utterances(Dataset):
    """Whole utterances with a voiced frame, in batches of one.

    Args:
        store: The tracks.
        frames_per_unit: Cut to a multiple of this.
        normalize: Whether the mean is taken away.
        limit: At most so many, evenly spread.
    """

    def __init__(self, store: F0Store, frames_per_unit: int, normalize: bool, limit: int) -> None:
        self.store, self.frames_per_unit, self.normalize = store, frames_per_unit, normalize
        fit = np.array(
            [index for index, row in enumerate(store.rows) if row.mean_hz and row.frames >= frames_per_unit],
            dtype=np.int64,
        )
        self.chosen = fit[np.linspace(0, len(fit) - 1, min(limit, len(fit))).round().astype(np.int64)]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        row = int(self.chosen[index])
        frames = self.store.rows[row].frames // self.frames_per_unit * self.frames_per_unit
        return {name: value[None] for name, value in segment(self.store, row, 0, frames, self.normalize).items()}


def segment(store: F0Store, row: int, start: int, frames: int, normalize: bool) -> dict[str, Tensor]:
    """Frames of one utterance: ``tracks`` (2, frames) and ``mean_hz`` (1,)."""
    mean = torch.tensor([store.rows[row].mean_hz if normalize else 0.0])
    return {"tracks": network_input(store.track(row, start, frames), mean), "mean_hz": mean}


class StyleDataModule(L.LightningDataModule):
    """Serves random crops of styled speech: ``waveform`` (B, N) and ``style`` (B,), an index into ``styles``.

    Crops are drawn so that every second of the corpus is as likely; an utterance shorter than a crop is repeated to fill it.
    Utterances without a style are left out. Validation is on whole utterances, one a batch.

    Args:
        corpus: Folder filled by a corpus stage.
        crop_seconds: Length of a crop.
        batch_size: Crops per device.
        split: Trained on.
        validation_split: Of other speakers, where there are enough.
        max_seconds: At most so much of each validation utterance, from its beginning.
        num_workers: Loader processes per device.
        seed: Of the draw.
        sample_rate: Of the waveforms, in Hz.
    """

    def __init__(
        self,
        corpus: Path,
        crop_seconds: float = 3.0,
        batch_size: int = 16,
        split: str = "train",
        validation_split: str = "dev",
        max_seconds: float = 30.0,
        num_workers: int = 0,
        seed: int = 0,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.corpus, self.crop_seconds, self.batch_size, self.split, self.validation_split = (
            Path(corpus),
            crop_seconds,
            batch_size,
            split,
            validation_split,
        )
        self.max_seconds, self.num_workers, self.seed, self.sample_rate = max_seconds, num_workers, seed, sample_rate

    @cached_property
    def training(self) -> list[Cut]:
        return self._styled(self.split)

    @cached_property
    def validation(self) -> list[Cut]:
        """Utterances of styles that the training split has."""
        return [cut for cut in self._styled(self.validation_split) if to_utterance(cut).style in self.styles]

    @cached_property
    def styles(self) -> list[str]:
        """Names in the order of their indices."""
        return sorted({to_utterance(cut).style for cut in self.training})

    @cached_property
    def style_seconds(self) -> Tensor:
        """Speech of each style in the training split, (styles,)."""
        seconds = torch.zeros(len(self.styles))
        for cut in self.training:
            seconds[self.styles.index(to_utterance(cut).style)] += cut.duration
        return seconds

    def _styled(self, split: str) -> list[Cut]:
        cuts = [cut for cut in read_cuts(self.corpus, split) if to_utterance(cut).style]
        if not cuts:
            raise ValueError(
                f"{self.corpus}: no utterance of split {split!r} has a style; the tables of the corpus need a column 'style'"
            )
        return cuts

    def train_dataloader(self) -> DataLoader:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        first = self.trainer.global_step * self.trainer.accumulate_grad_batches
        crops = StyleCrops(
            self.training,
            self.styles,
            self.crop_seconds,
            self.batch_size,
            range(first * world + rank, ENDLESS * world, world),
            self.seed,
            self.sample_rate,
        )
        return DataLoader(crops, batch_size=None, num_workers=self.num_workers, persistent_workers=self.num_workers > 0)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(
            StyleUtterances(self.validation, self.styles, self.max_seconds, self.sample_rate), batch_size=None
        )


class StyleCrops(IterableDataset):
    """Batch ``n`` is a pure function of ``(seed, n)``: neither workers nor interruptions change the data.

    Args:
        cuts: Utterances, each with a style.
        styles: Names in the order of their indices.
        crop_seconds: Length of a crop.
        batch_size: Crops in a batch.
        batches: Which batches to serve; the end may be out of reach.
        seed: Of the draw.
        sample_rate: Hz.
    """

    def __init__(
        self,
        cuts: list[Cut],
        styles: list[str],
        crop_seconds: float,
        batch_size: int,
        batches: range,
        seed: int,
        sample_rate: int,
    ) -> None:
        self.cuts, self.styles, self.crop_seconds, self.batch_size = cuts, styles, crop_seconds, batch_size
        self.batches, self.seed, self.sample_rate = batches, seed, sample_rate
        self.ends = np.cumsum([cut.duration for cut in cuts])

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = get_worker_info()  # the DataLoader takes one batch from each worker in turn
        yield from map(self.batch, self.batches[worker.id :: worker.num_workers] if worker else self.batches)

    def batch(self, n: int) -> dict[str, Tensor]:
        draw = np.random.default_rng([self.seed, 1, n])
        rows = np.searchsorted(self.ends, draw.random(self.batch_size) * self.ends[-1], side="right")
        items = [self._crop(self.cuts[row], share) for row, share in zip(rows, draw.random(self.batch_size))]
        styles = torch.tensor([self.styles.index(to_utterance(self.cuts[row]).style) for row in rows])
        return {"waveform": torch.stack(items), "style": styles}

    def _crop(self, cut: Cut, share: float) -> Tensor:
        """As many samples of an utterance as a crop has, beginning at a ``share`` of what is possible."""
        wanted = round(self.crop_seconds * self.sample_rate)
        start = share * max(0.0, cut.duration - self.crop_seconds)
        piece = load_waveform(
            cut.truncate(offset=start, duration=min(self.crop_seconds, cut.duration - start), preserve_id=True),
            self.sample_rate,
        )
        return piece.repeat(-(-wanted // len(piece)))[:wanted]


class StyleUtterances(Dataset):
    """Whole utterances, in batches of one.

    Args:
        cuts: Each with a style.
        styles: Names in the order of their indices.
        max_seconds: At most so much of each.
        sample_rate: Hz.
    """

    def __init__(self, cuts: list[Cut], styles: list[str], max_seconds: float, sample_rate: int) -> None:
        self.cuts, self.styles, self.max_seconds, self.sample_rate = cuts, styles, max_seconds, sample_rate

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        cut = self.cuts[index]
        piece = load_waveform(cut, self.sample_rate)[: round(self.max_seconds * self.sample_rate)]
        return {"waveform": piece[None], "style": torch.tensor([self.styles.index(to_utterance(cut).style)])}
