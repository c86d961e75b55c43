"""Text-only, speech-only and interleaved rows for a language model, and their mixture."""
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import lightning as L
from torch.utils.data import DataLoader

from datamodules.packing import Mixture, PackedStream
from zoo.tokens import documents
from zoo.tokens.interleave import SpanSampler, UniformSpans
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

ENDLESS = 1 << 40


@dataclass(frozen=True)
class TokenStream:
    """One kind of document made of a tokenised corpus.

    Args:
        tokens: Folder filled by a tokens stage.
    """

    tokens: Path
    form_class: ClassVar[type[documents.Form]]

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        """How its documents are made."""
        return self.form_class(vocabulary, TokenTable(self.tokens, split))


class TextStream(TokenStream):
    """Texts alone."""

    form_class = documents.TextOnly


class SpeechStream(TokenStream):
    """Speech alone."""

    form_class = documents.SpeechOnly


class SpeechThenTextStream(TokenStream):
    """Speech, then its transcript: the order of speech recognition."""

    form_class = documents.SpeechThenText


class TextThenSpeechStream(TokenStream):
    """Text, then its speech: the order of speech synthesis."""

    form_class = documents.TextThenSpeech


@dataclass(frozen=True)
class InterleavedStream(TokenStream):
    """Text and speech by turns, at word boundaries.

    Args:
        spans: Where the switches fall.
    """

    spans: SpanSampler = field(default_factory=UniformSpans)

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.Interleaved(vocabulary, TokenTable(self.tokens, split), self.spans)


class MixtureDataModule(L.LightningDataModule):
    """Rows (B, T) of token ids, drawn by weight from several streams.

    Args:
        vocabulary: Of the ids in the streams.
        streams: By name.
        weights: Share of the tokens by name.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        val_batches: Batches of the dev split that validation reads.
        num_workers: Loader processes per device; 0 where the rows are cheap beside a training step.
        seed: Of everything drawn.
    """

    def __init__(self, vocabulary: Vocabulary, streams: dict[str, TokenStream], weights: dict[str, float], sequence_length: int,
                 batch_size: int, val_batches: int = 8, num_workers: int = 0, seed: int = 0) -> None:
        super().__init__()
        self.vocabulary, self.streams, self.weights = vocabulary, streams, weights
        self.sequence_length, self.batch_size, self.val_batches = sequence_length, batch_size, val_batches
        self.num_workers, self.seed = num_workers, seed

    def train_dataloader(self) -> DataLoader:
        # A resumed run goes on with the batch after the last one it trained on.
        return self._loader("train", first=self.trainer.global_step * self.trainer.accumulate_grad_batches, last=ENDLESS)

    def val_dataloader(self) -> DataLoader:
        return self._loader("dev", first=0, last=self.val_batches)

    def _loader(self, split: str, first: int, last: int) -> DataLoader:
        rank, world = self.trainer.global_rank, self.trainer.world_size
        batches = range(first * world + rank, last * world, world)
        return DataLoader(self.mixture(split, batches), batch_size=None, num_workers=self.num_workers)

    def mixture(self, split: str, batches: range) -> Mixture:
        """The batches themselves, without a Trainer."""
        packed = {name: PackedStream(stream.form(self.vocabulary, split), self.sequence_length, self.seed + number)
                  for number, (name, stream) in enumerate(self.streams.items())}
        return Mixture(packed, self.weights, self.batch_size, batches, self.seed)


class TextDataModule(MixtureDataModule):
    """Texts alone.

    Args:
        vocabulary: Of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        seed: Of the order.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Path, sequence_length: int, batch_size: int, seed: int = 0) -> None:
        super().__init__(vocabulary, {"text": TextStream(tokens)}, {"text": 1.0}, sequence_length, batch_size, seed=seed)


class SpeechDataModule(MixtureDataModule):
    """Speech alone.

    Args:
        vocabulary: Of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        seed: Of the order.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Path, sequence_length: int, batch_size: int, seed: int = 0) -> None:
        super().__init__(vocabulary, {"speech": SpeechStream(tokens)}, {"speech": 1.0}, sequence_length, batch_size, seed=seed)


class InterleavedDataModule(MixtureDataModule):
    """Text and speech by turns.

    Args:
        vocabulary: Of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        spans: Where the switches fall.
        seed: Of the order and the switches.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Path, sequence_length: int, batch_size: int,
                 spans: SpanSampler = UniformSpans(), seed: int = 0) -> None:
        super().__init__(vocabulary, {"interleaved": InterleavedStream(tokens, spans)}, {"interleaved": 1.0},
                         sequence_length, batch_size, seed=seed)
