"""Streams of documents from a tokenized corpus: text, speech, or both in one document."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from zoo.ranges import NonNegativeFloat, Probability, check_ranges
from zoo.tokens import documents
from zoo.tokens.interleave import SpanSampler, UniformSpans
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class TokenStream:
    """Documents of one form, made from a tokenized corpus.

    Args:
        tokens: Folder filled by a tokens stage.
        expected_rate: Lowest and highest speech tokens per second of speech; a shard outside this range is an error
            before training starts. Spirit LM's tokenizers make 17 to 18 (Base) or about 28 (Expressive). None
            accepts any rate.
    """

    tokens: Path
    expected_rate: tuple[NonNegativeFloat, NonNegativeFloat] | None = field(default=None, kw_only=True)
    form_class: ClassVar[type[documents.Form]]

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        """Return the ``Form`` that makes documents of the utterances of ``split``."""
        return self.form_class(vocabulary, self.table(split))

    def table(self, split: str) -> TokenTable:
        """Open the tokenized utterances of ``split``.

        Raises:
            ValueError: A shard has fewer or more speech tokens per second than expected.
        """
        table = TokenTable(self.tokens, split)
        if self.expected_rate is not None:
            low, high = self.expected_rate
            for path, rate in table.speech_rates().items():
                if not low <= rate <= high:
                    raise ValueError(
                        f"{path}: {rate:.1f} speech tokens per second, expected_rate is [{low:g}, {high:g}]: "
                        "check that tokenizer and audio are the intended ones, or widen the range"
                    )
        return table


class TextStream(TokenStream):
    """Text only."""

    form_class = documents.TextOnly


class SpeechStream(TokenStream):
    """Speech only."""

    form_class = documents.SpeechOnly


@dataclass(frozen=True)
class WordTranscriptionStream(TokenStream):
    """Each word as speech and as text, in an order drawn for each document; used to ablate interleaving.

    Args:
        min_confidence: Lowest confidence of the aligner in a word that is split from the word before it; words with
            exact times always are.
    """

    min_confidence: Probability = documents.MIN_CONFIDENCE

    def __post_init__(self) -> None:
        check_ranges(self)

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.WordTranscription(vocabulary, self.table(split), self.min_confidence)


@dataclass(frozen=True)
class SpeechThenTextStream(TokenStream):
    """Speech, then its transcript: the order of speech recognition.

    Args:
        template: Prompt around the transcript, which replaces ``{text}``.
    """

    template: str = "{text}"

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.SpeechThenText(vocabulary, self.table(split), self.template)


@dataclass(frozen=True)
class TextThenSpeechStream(TokenStream):
    """Text, then its speech: the order of speech synthesis.

    Args:
        template: Prompt around the text, which replaces ``{text}``.
    """

    template: str = "{text}"

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.TextThenSpeech(vocabulary, self.table(split), self.template)


@dataclass(frozen=True)
class InterleavedStream(TokenStream):
    """Spans of text and speech in turn, switching at word boundaries.

    Args:
        spans: Samples the word boundaries at which the modality switches.
        min_confidence: Lowest confidence of the aligner in a word before which the modality may switch; words with
            exact times are always confident enough.
    """

    spans: SpanSampler = field(default_factory=UniformSpans)
    min_confidence: Probability = documents.MIN_CONFIDENCE

    def __post_init__(self) -> None:
        check_ranges(self)

    def form(self, vocabulary: Vocabulary, split: str) -> documents.Form:
        return documents.Interleaved(vocabulary, self.table(split), self.spans, self.min_confidence)
