"""Training and validation data of a style encoder: crops of speech with style labels."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lhotse.cut import Cut
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from datamodules.batch_numbers import batches_of_worker, batches_to_train, trainer_of, training_loader
from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import load_waveform, to_utterance
from zoo.ranges import NumWorkers, SampleRate, Seconds, Seed, Size


class StyleDataModule(L.LightningDataModule):
    """Random crops of speech with style labels: ``waveform`` (B, N) and ``style`` (B,), an index into ``styles``.

    Every second of the corpus is about equally likely; an utterance shorter than a crop is repeated to fill it.
    Utterances without a style are left out. Validation uses whole utterances, one per batch.

    Args:
        corpus: Folder filled by a corpus stage.
        crop_seconds: Length of a crop, in seconds.
        batch_size: Crops per device, B.
        split: Split used for training.
        validation_split: Split used for validation; if there are enough speakers, its speakers differ from those of
            ``split``.
        max_seconds: Largest duration of a validation utterance, in seconds; only its beginning is used.
        num_workers: Loader processes per device.
        seed: Seed of the random crops.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(
        self,
        corpus: Path,
        crop_seconds: Seconds = 3.0,
        batch_size: Size = 16,
        split: str = "train",
        validation_split: str = "dev",
        max_seconds: Seconds = 30.0,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
        sample_rate: SampleRate = 16000,
    ) -> None:
        super().__init__()
        self.corpus = Path(corpus)
        self.crop_seconds = crop_seconds
        self.batch_size = batch_size
        self.split = split
        self.validation_split = validation_split
        self.max_seconds = max_seconds
        self.num_workers = num_workers
        self.seed = seed
        self.sample_rate = sample_rate

    @cached_property
    def training(self) -> list[Cut]:
        """Utterances of the training split that have a style."""
        return self._styled(self.split)

    @cached_property
    def validation(self) -> list[Cut]:
        """Utterances of the validation split whose style occurs in the training split."""
        return [cut for cut in self._styled(self.validation_split) if style_of(cut) in self.styles]

    @cached_property
    def styles(self) -> list[str]:
        """Names of the styles in the order of their indices."""
        return sorted({style_of(cut) for cut in self.training})

    @cached_property
    def style_seconds(self) -> Tensor:
        """Seconds of speech of each style in the training split, (num_styles,)."""
        seconds = torch.zeros(len(self.styles))
        for cut in self.training:
            seconds[self.styles.index(style_of(cut))] += cut.duration
        return seconds

    def _styled(self, split: str) -> list[Cut]:
        cuts = [cut for cut in read_cuts(self.corpus, split) if to_utterance(cut).style]
        if not cuts:
            raise ValueError(
                f"{self.corpus}: no utterance of split {split!r} has a style; "
                "the tables of the corpus need a column 'style'"
            )
        return cuts

    def train_dataloader(self) -> DataLoader:
        crops = StyleCrops(
            self.training,
            self.styles,
            self.crop_seconds,
            self.batch_size,
            batches_to_train(trainer_of(self)),
            self.seed,
            self.sample_rate,
        )
        return training_loader(crops, self.num_workers)

    def val_dataloader(self) -> DataLoader:
        utterances = StyleUtterances(self.validation, self.styles, self.max_seconds, self.sample_rate)
        return DataLoader(utterances, batch_size=None)


class StyleCrops(IterableDataset):
    """Batches of random crops; batch ``n`` is a pure function of (seed, n), whatever the number of workers.

    Args:
        cuts: Utterances, each with a style.
        styles: Names of the styles in the order of their indices.
        crop_seconds: Length of a crop, in seconds.
        batch_size: Crops in a batch, B.
        batches: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the random crops.
        sample_rate: Sample rate of the waveforms, in Hz.
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
        self.cuts = cuts
        self.styles = styles
        self.crop_seconds = crop_seconds
        self.batch_size = batch_size
        self.batches = batches
        self.seed = seed
        self.sample_rate = sample_rate
        self.ends = np.cumsum([cut.duration for cut in cuts])  # end of each utterance in seconds, if all were joined

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for number in batches_of_worker(self.batches):
            yield self.batch(number)

    def batch(self, number: int) -> dict[str, Tensor]:
        """Return batch ``number``: ``waveform`` (B, N) and ``style`` (B,)."""
        draw = np.random.default_rng([self.seed, 1, number])
        rows = np.searchsorted(self.ends, draw.random(self.batch_size) * self.ends[-1], side="right")
        waveforms = []
        styles = []
        for row, position in zip(rows, draw.random(self.batch_size), strict=True):
            waveforms.append(self._crop(self.cuts[row], position))
            styles.append(self.styles.index(style_of(self.cuts[row])))
        return {"waveform": torch.stack(waveforms), "style": torch.tensor(styles)}

    def _crop(self, cut: Cut, position: float) -> Tensor:
        """Return a crop (N,) of an utterance; ``position`` 0 is the earliest possible start, 1 the latest."""
        num_samples = round(self.crop_seconds * self.sample_rate)
        start = position * max(0.0, cut.duration - self.crop_seconds)
        seconds = min(self.crop_seconds, cut.duration - start)
        waveform = load_waveform(cut.truncate(offset=start, duration=seconds, preserve_id=True), self.sample_rate)
        repeats = -(-num_samples // len(waveform))
        return waveform.repeat(repeats)[:num_samples]


class StyleUtterances(Dataset):
    """Whole utterances, in batches of one.

    Args:
        cuts: Utterances, each with a style.
        styles: Names of the styles in the order of their indices.
        max_seconds: Largest duration, in seconds; only the beginning of a longer utterance is used.
        sample_rate: Sample rate of the waveforms, in Hz.
    """

    def __init__(self, cuts: list[Cut], styles: list[str], max_seconds: float, sample_rate: int) -> None:
        self.cuts = cuts
        self.styles = styles
        self.max_seconds = max_seconds
        self.sample_rate = sample_rate

    def __len__(self) -> int:
        return len(self.cuts)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        cut = self.cuts[index]
        waveform = load_waveform(cut, self.sample_rate)[: round(self.max_seconds * self.sample_rate)]
        return {"waveform": waveform[None], "style": torch.tensor([self.styles.index(style_of(cut))])}


def style_of(cut: Cut) -> str:
    """Return the style of an utterance that has one."""
    style = to_utterance(cut).style
    assert style is not None, f"{cut.id} has no style"
    return style
