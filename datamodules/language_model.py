"""Training and validation data of a language model: rows of text, speech, interleaved tokens, or a mixture."""

from pathlib import Path
from typing import Annotated

import lightning as L
from torch.utils.data import DataLoader

from datamodules.batch_numbers import ENDLESS, trainer_of
from datamodules.mixture import Mixture
from datamodules.packing import PackedStream
from datamodules.token_streams import InterleavedStream, SpeechStream, TextStream, TokenStream
from zoo.ranges import NONEMPTY, NonNegativeFloat, NumWorkers, RowLength, Seed, Size
from zoo.tokens.interleave import SpanSampler, UniformSpans
from zoo.tokens.vocabulary import Vocabulary


class MixtureDataModule(L.LightningDataModule):
    """Rows (B, T) of token ids, drawn by weight from several streams.

    Args:
        vocabulary: Vocabulary of the ids in the streams.
        streams: Streams of documents by name.
        weights: Share of each stream in the tokens, by the same names; a stream of weight 0 is not read.
        sequence_length: Ids per row, T.
        batch_size: Rows per device, B.
        val_batches: Number of batches of the dev split that validation reads, per device.
        num_workers: Loader processes per device; 0 suffices if making rows is fast compared to a training step.
        seed: Seed of the order of the documents, of the mixture, and of the random choices within documents.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        streams: dict[str, TokenStream],
        weights: Annotated[dict[str, NonNegativeFloat], NONEMPTY],
        sequence_length: RowLength,
        batch_size: Size,
        val_batches: Size = 8,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.streams = streams
        self.weights = weights
        self.sequence_length = sequence_length
        self.batch_size = batch_size
        self.val_batches = val_batches
        self.num_workers = num_workers
        self.seed = seed
        self.packed: dict[tuple[str, str], PackedStream] = {}
        # Number of the first batch since training started or resumed, counted over all processes.
        self.first = 0
        # Number of batches that each process had begun before that batch.
        self.begun = 0

    def state_dict(self) -> dict[str, int]:
        """Return the number of the next batch, counted over all processes.

        The number of processes may change when a run is resumed, so that it is the total that is saved.
        """
        trainer = trainer_of(self)
        begun = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return {"next": self.first + (begun - self.begun) * trainer.world_size, "begun": begun}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.first = state_dict["next"]
        self.begun = state_dict["begun"]

    def epochs(self) -> dict[str, float]:
        """Return the number of epochs of each stream that training has read so far, by name."""
        return self.mixture("train", range(0)).epochs(self.state_dict()["next"] * self.batch_size)

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", self.first, ENDLESS)

    def val_dataloader(self) -> DataLoader:
        return self._loader("dev", 0, self.val_batches * trainer_of(self).world_size)

    def _loader(self, split: str, first: int, last: int) -> DataLoader:
        trainer = trainer_of(self)
        batches = range(first + trainer.global_rank, last, trainer.world_size)
        return DataLoader(self.mixture(split, batches), batch_size=None, num_workers=self.num_workers)

    def mixture(self, split: str, batches: range) -> Mixture:
        """Return the batches of a split; no trainer is needed.

        Args:
            split: Name of the split, such as train.
            batches: Numbers of the batches.

        Raises:
            ValueError: Streams and weights do not have the same names.
        """
        if self.streams.keys() != self.weights.keys():
            raise ValueError(
                f"streams {sorted(self.streams)} and weights {sorted(self.weights)} must have the same names"
            )
        names = [name for name in self.streams if self.weights[name]]
        packed = {name: self._packed(name, split) for name in names}
        weights = {name: self.weights[name] for name in names}
        return Mixture(packed, weights, self.batch_size, batches, self.seed)

    def _packed(self, name: str, split: str) -> PackedStream:
        if (name, split) not in self.packed:
            form = self.streams[name].form(self.vocabulary, split)
            # A seed for each stream, so that streams of the same corpus are shuffled differently.
            seed = self.seed + list(self.streams).index(name)
            self.packed[name, split] = PackedStream(form, self.sequence_length, seed)
        return self.packed[name, split]


class TextDataModule(MixtureDataModule):
    """Rows (B, T) of text only.

    Args:
        vocabulary: Vocabulary of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row, T.
        batch_size: Rows per device, B.
        val_batches: Number of batches of the dev split that validation reads, per device.
        num_workers: Loader processes per device.
        seed: Seed of the order of the documents.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokens: Path,
        sequence_length: RowLength,
        batch_size: Size,
        val_batches: Size = 8,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
    ) -> None:
        streams: dict[str, TokenStream] = {"text": TextStream(tokens)}
        super().__init__(
            vocabulary, streams, {"text": 1.0}, sequence_length, batch_size, val_batches, num_workers, seed
        )


class SpeechDataModule(MixtureDataModule):
    """Rows (B, T) of speech only.

    Args:
        vocabulary: Vocabulary of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row, T.
        batch_size: Rows per device, B.
        expected_rate: Lowest and highest speech tokens per second of speech; a shard outside this range is an error
            before training starts. None to accept any rate.
        val_batches: Number of batches of the dev split that validation reads, per device.
        num_workers: Loader processes per device.
        seed: Seed of the order of the documents.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokens: Path,
        sequence_length: RowLength,
        batch_size: Size,
        expected_rate: tuple[NonNegativeFloat, NonNegativeFloat] | None = None,
        val_batches: Size = 8,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
    ) -> None:
        streams: dict[str, TokenStream] = {"speech": SpeechStream(tokens, expected_rate=expected_rate)}
        super().__init__(
            vocabulary, streams, {"speech": 1.0}, sequence_length, batch_size, val_batches, num_workers, seed
        )


class InterleavedDataModule(MixtureDataModule):
    """Rows (B, T) of documents that switch between text and speech at word boundaries.

    Args:
        vocabulary: Vocabulary of the ids in the tokens.
        tokens: Folder filled by a tokens stage, with aligned words.
        sequence_length: Ids per row, T.
        batch_size: Rows per device, B.
        spans: Draws where the modality switches. Defaults to ``UniformSpans()``.
        expected_rate: Lowest and highest speech tokens per second of speech; a shard outside this range is an error
            before training starts. None to accept any rate.
        val_batches: Number of batches of the dev split that validation reads, per device.
        num_workers: Loader processes per device.
        seed: Seed of the order of the documents and of the switches.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokens: Path,
        sequence_length: RowLength,
        batch_size: Size,
        spans: SpanSampler | None = None,
        expected_rate: tuple[NonNegativeFloat, NonNegativeFloat] | None = None,
        val_batches: Size = 8,
        num_workers: NumWorkers = 0,
        seed: Seed = 0,
    ) -> None:
        stream = InterleavedStream(tokens, spans or UniformSpans(), expected_rate=expected_rate)
        streams: dict[str, TokenStream] = {"interleaved": stream}
        super().__init__(
            vocabulary, streams, {"interleaved": 1.0}, sequence_length, batch_size, val_batches, num_workers, seed
        )
