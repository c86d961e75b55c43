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
    """One kind of document made of a tokenized corpus.

    Args:
        tokens: Folder filled by a tokens stage.
        expected_rate: Fewest and most speech tokens per second of speech; a shard outside is an error before training starts.
            Spirit LM's tokenizers make 17 to 18 (Base) and about 28 (Expressive). None expects nothing.
    """

    tokens: Path
    expected_rate: tuple[float, float] | None = field(default=None, kw_only=True)
    form_class: ClassVar[type[documents.Form]]

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        """How its documents are made."""
        return self.form_class(vocabulary, self.table(split))

    def table(self, split: str) -> TokenTable:
        """The tokenized utterances.

        Raises:
            ValueError: Where the speech of a shard has more or fewer tokens per second than expected.
        """
        table = TokenTable(self.tokens, split)
        if self.expected_rate is not None:
            low, high = self.expected_rate
            for path, rate in table.speech_rates().items():
                if not low <= rate <= high:
                    raise ValueError(
                        f"{path}: {rate:.1f} speech tokens per second, expected_rate is [{low:g}, {high:g}]: "
                        "look whether tokenizer and audio are the ones meant, or widen the range"
                    )
        return table


class TextStream(TokenStream):
    """Texts alone."""

    form_class = documents.TextOnly


class SpeechStream(TokenStream):
    """Speech alone."""

    form_class = documents.SpeechOnly


class WordTranscriptionStream(TokenStream):
    """Each word both spoken and written: the ablation against interleaving."""

    form_class = documents.WordTranscription


@dataclass(frozen=True)
class SpeechThenTextStream(TokenStream):
    """Speech, then its transcript: the order of speech recognition.

    Args:
        template: Words around the transcript, which stands at ``{text}``: a prompt of the task's own.
    """

    template: str = "{text}"

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.SpeechThenText(vocabulary, self.table(split), self.template)


@dataclass(frozen=True)
class TextThenSpeechStream(TokenStream):
    """Text, then its speech: the order of speech synthesis.

    Args:
        template: Words around the text, which stands at ``{text}``: a prompt of the task's own.
    """

    template: str = "{text}"

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.TextThenSpeech(vocabulary, self.table(split), self.template)


@dataclass(frozen=True)
class InterleavedStream(TokenStream):
    """Text and speech by turns, at word boundaries.

    Args:
        spans: Where the switches fall.
    """

    spans: SpanSampler = field(default_factory=UniformSpans)

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.Interleaved(vocabulary, self.table(split), self.spans)


class MixtureDataModule(L.LightningDataModule):
    """Rows (B, T) of token ids, drawn by weight from several streams.

    Args:
        vocabulary: Of the ids in the streams.
        streams: By name.
        weights: Share of the tokens by name; a stream of weight 0 is not read.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        val_batches: Batches of the dev split that validation reads.
        num_workers: Loader processes per device; 0 where the rows are cheap beside a training step.
        seed: Of everything drawn.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        streams: dict[str, TokenStream],
        weights: dict[str, float],
        sequence_length: int,
        batch_size: int,
        val_batches: int = 8,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.vocabulary, self.streams, self.weights = vocabulary, streams, weights
        self.sequence_length, self.batch_size, self.val_batches = sequence_length, batch_size, val_batches
        self.num_workers, self.seed = num_workers, seed
        self.packed: dict[tuple[str, str], PackedStream] = {}
        self.first, self.begun = (
            0,
            0,
        )  # the batch that training starts with, and how many each process had been given before

    def state_dict(self) -> dict[str, int]:
        """Which batch comes next, counted over all processes: a resumed run may have another number of them."""
        begun = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        return {"next": self.first + (begun - self.begun) * self.trainer.world_size, "begun": begun}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.first, self.begun = state_dict["next"], state_dict["begun"]

    def epochs(self) -> dict[str, float]:
        """How often each stream has been read so far, by name."""
        return self.mixture("train", range(0)).epochs(self.state_dict()["next"] * self.batch_size)

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", self.first, ENDLESS)

    def val_dataloader(self) -> DataLoader:
        return self._loader("dev", 0, self.val_batches * self.trainer.world_size)

    def _loader(self, split: str, first: int, last: int) -> DataLoader:
        batches = range(first + self.trainer.global_rank, last, self.trainer.world_size)
        return DataLoader(self.mixture(split, batches), batch_size=None, num_workers=self.num_workers)

    def mixture(self, split: str, batches: range) -> Mixture:
        """The batches themselves, without a Trainer."""
        if self.streams.keys() != self.weights.keys():
            raise ValueError(
                f"streams {sorted(self.streams)} and weights {sorted(self.weights)} must have the same names"
            )
        packed = {name: self._packed(name, split) for name in self.streams if self.weights[name]}
        return Mixture(packed, {name: self.weights[name] for name in packed}, self.batch_size, batches, self.seed)

    def _packed(self, name: str, split: str) -> PackedStream:
        if (name, split) not in self.packed:
            form = self.streams[name].form(self.vocabulary, split)
            self.packed[name, split] = PackedStream(
                form, self.sequence_length, self.seed + list(self.streams).index(name)
            )
        return self.packed[name, split]


class TextDataModule(MixtureDataModule):
    """Texts alone.

    Args:
        vocabulary: Of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        seed: Of the order.
    """

    def __init__(
        self, vocabulary: Vocabulary, tokens: Path, sequence_length: int, batch_size: int, seed: int = 0
    ) -> None:
        super().__init__(
            vocabulary, {"text": TextStream(tokens)}, {"text": 1.0}, sequence_length, batch_size, seed=seed
        )


class SpeechDataModule(MixtureDataModule):
    """Speech alone.

    Args:
        vocabulary: Of the ids in the tokens.
        tokens: Folder filled by a tokens stage.
        sequence_length: Ids per row.
        batch_size: Rows per device.
        seed: Of the order.
    """

    def __init__(
        self, vocabulary: Vocabulary, tokens: Path, sequence_length: int, batch_size: int, seed: int = 0
    ) -> None:
        super().__init__(
            vocabulary, {"speech": SpeechStream(tokens)}, {"speech": 1.0}, sequence_length, batch_size, seed=seed
        )


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

    def __init__(
        self,
        vocabulary: Vocabulary,
        tokens: Path,
        sequence_length: int,
        batch_size: int,
        spans: SpanSampler = UniformSpans(),
        seed: int = 0,
    ) -> None:
        super().__init__(
            vocabulary,
            {"interleaved": InterleavedStream(tokens, spans)},
            {"interleaved": 1.0},
            sequence_length,
            batch_size,
            seed=seed,
        )
