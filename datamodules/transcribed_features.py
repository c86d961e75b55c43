"""Training and validation data of supervised units: features of transcribed speech, with labels for CTC."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, IterableDataset

from datamodules.batch_numbers import batches_of_worker, batches_to_train, trainer_of, training_loader
from datamodules.waveform_batches import length_buckets
from zoo.ranges import NumWorkers, Seed, Size
from zoo.speech.feature_store import FeatureStore
from zoo.speech.transcript_labels import TranscriptLabels


class TranscribedFeaturesDataModule(L.LightningDataModule):
    """Features of whole utterances of similar length, with the labels of their transcripts.

    A batch is a dictionary: ``features`` (B, T, dim) and ``frames`` (B,), ``labels`` (B, N) and ``label_counts`` (B,),
    and ``texts``, a list of B transcripts. Every frame of the corpus is about equally likely.

    Args:
        features: Folder filled by ``recipes.stages.supervised_units.store_features``.
        labels: Transcripts to labels.
        batch_frames: Largest number of frames in a batch, padding included; a longer utterance is a batch by itself.
        num_buckets: Number of groups of utterances of similar length.
        num_validation: Largest number of validation utterances, evenly spread over the dev split.
        num_workers: Loader processes per device.
        seed: Seed of the order.
    """

    def __init__(
        self,
        features: Path,
        labels: TranscriptLabels,
        batch_frames: Size,
        num_buckets: Size = 8,
        num_validation: Size = 1000,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        self.train_store = FeatureStore(features, "train")
        self.dev_store = FeatureStore(features, "dev")
        self.labels = labels
        self.batch_frames = batch_frames
        self.num_buckets = num_buckets
        self.num_validation = num_validation
        self.num_workers = num_workers
        self.seed = seed

    def training_batches(self, numbers: range) -> "FeatureBatches":
        """Return the training batches of these numbers."""
        return FeatureBatches(self.train_store, self.labels, self.batch_frames, self.num_buckets, numbers, self.seed)

    def train_dataloader(self) -> DataLoader:
        return training_loader(self.training_batches(batches_to_train(trainer_of(self))), self.num_workers)

    def val_dataloader(self) -> DataLoader:
        total = len(self.dev_store)
        rows = np.linspace(0, total - 1, min(total, self.num_validation)).astype(int)
        rows = rows[np.argsort(self.dev_store.frames[rows], kind="stable")]
        batches = EvenBatches(self.dev_store, self.labels, _full_batches(self.dev_store, rows, self.batch_frames))
        return DataLoader(batches, batch_size=None, num_workers=self.num_workers)


def _full_batches(store: FeatureStore, rows: np.ndarray, batch_frames: int) -> list[list[int]]:
    """Divide rows, sorted by length, into batches of at most ``batch_frames`` frames with padding."""
    batches: list[list[int]] = []
    for row in rows.tolist():
        if batches and (len(batches[-1]) + 1) * store.frames[row] <= batch_frames:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def collate(store: FeatureStore, labels: TranscriptLabels, rows: Sequence[int]) -> dict[str, Any]:
    """Return the batch of some rows, as ``TranscribedFeaturesDataModule`` documents it."""
    texts = [store.rows[row].text for row in rows]
    targets = [torch.tensor(labels.encode(text), dtype=torch.int64) for text in texts]
    return {
        "features": pad_sequence([store.features(row) for row in rows], batch_first=True),
        "frames": torch.tensor([store.rows[row].frames for row in rows]),
        "labels": pad_sequence(targets, batch_first=True),
        "label_counts": torch.tensor([len(target) for target in targets]),
        "texts": texts,
    }


class FeatureBatches(IterableDataset):
    """Batches of random utterances of similar length; batch ``n`` is a pure function of (seed, n).

    Args:
        store: Features of the train split.
        labels: Transcripts to labels.
        batch_frames: Largest number of frames in a batch.
        num_buckets: Number of groups of utterances of similar length.
        numbers: Numbers of the batches to yield; training may stop before the end.
        seed: Seed of the order.
    """

    def __init__(
        self,
        store: FeatureStore,
        labels: TranscriptLabels,
        batch_frames: int,
        num_buckets: int,
        numbers: range,
        seed: int,
    ) -> None:
        self.store = store
        self.labels = labels
        self.numbers = numbers
        self.seed = seed
        self.buckets = length_buckets(store.frames, np.arange(len(store)), batch_frames, num_buckets)
        # A bucket is drawn with a probability proportional to its number of batches.
        num_batches = np.array([len(bucket.rows) / bucket.batch_size for bucket in self.buckets])
        self.probabilities = num_batches / num_batches.sum()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number in batches_of_worker(self.numbers):
            yield self.batch(number)

    def batch(self, number: int) -> dict[str, Any]:
        """Return batch ``number``."""
        draw = np.random.default_rng([self.seed, 1, number])
        bucket = self.buckets[draw.choice(len(self.buckets), p=self.probabilities)]
        count = min(bucket.batch_size, len(bucket.rows))
        rows = draw.choice(bucket.rows, count, replace=False)
        return collate(self.store, self.labels, rows.tolist())


class EvenBatches(Dataset):
    """Fixed batches of validation utterances.

    Args:
        store: Features of the dev split.
        labels: Transcripts to labels.
        batches: Rows of each batch.
    """

    def __init__(self, store: FeatureStore, labels: TranscriptLabels, batches: list[list[int]]) -> None:
        self.store = store
        self.labels = labels
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return collate(self.store, self.labels, self.batches[index])
