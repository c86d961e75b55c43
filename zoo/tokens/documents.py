"""Make training documents of token ids from tokenized utterances: text, speech, both in turn, or interleaved."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from zoo.tokens.interleave import SpanSampler
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

# Chosen on joined command words aligned by Whisper base: 4% of the words are below it, and half of these are misplaced
# by 0.1 s or more, of the others a quarter. Higher thresholds remove mostly words that are right.
MIN_CONFIDENCE = 0.01


class Form(ABC):
    """Makes documents (N,) of one form from the rows of a table.

    A document is the begin token, spans of text or speech, each after its modality marker, and the end token.

    Args:
        vocabulary: Vocabulary of the ids in the table.
        table: Tokenized utterances.

    Attributes:
        rows: Indices of the rows of the table from which a document of this form can be made, (num_documents,).
        lengths: Expected number of ids in the document of each of these rows, (num_documents,).
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable) -> None:
        self.table = table
        # Arrays of one id each, which documents concatenate.
        self.begin = np.array([vocabulary.bos])
        self.end = np.array([vocabulary.eos])
        self.text_marker = np.array([vocabulary.text_marker])
        self.speech_marker = np.array([vocabulary.speech_marker])
        text_lengths = table.lengths("text_ids")
        speech_lengths = table.lengths("speech_ids")
        # word_text has one entry more than there are words; its length is -1 in rows without word times.
        is_aligned = table.lengths("word_text") > 1
        self.rows = np.flatnonzero(self.usable(text_lengths, speech_lengths, is_aligned))
        self.lengths = self.expected_lengths(text_lengths[self.rows], speech_lengths[self.rows])

    def usable(self, text_lengths: np.ndarray, speech_lengths: np.ndarray, is_aligned: np.ndarray) -> np.ndarray:
        """Return a mask of the utterances from which a document of this form can be made, (num_rows,) bool.

        Args:
            text_lengths: Number of text ids of each utterance, -1 if it has no text, (num_rows,).
            speech_lengths: Number of speech ids of each utterance, -1 if it has no speech, (num_rows,).
            is_aligned: Whether the words of each utterance have times, (num_rows,).
        """
        return (text_lengths > 0) & (speech_lengths > 0)

    def expected_lengths(self, text_lengths: np.ndarray, speech_lengths: np.ndarray) -> np.ndarray:
        """Return the expected number of ids of each document, (num_documents,).

        Args:
            text_lengths: Number of text ids of each usable utterance, (num_documents,).
            speech_lengths: Number of speech ids of each usable utterance, (num_documents,).
        """
        return text_lengths + speech_lengths + 4  # begin, two markers, end

    @abstractmethod
    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        """Return the document (N,) of one row of the table.

        Args:
            row: Index of the row, one of ``rows``.
            generator: Source of all random choices within the document.
        """

    def text_span(self, row: int) -> list[np.ndarray]:
        """Return the arrays that make up the text span of a row: the text marker and the text ids."""
        return [self.text_marker, self.table.array(row, "text_ids")]

    def speech_span(self, row: int) -> list[np.ndarray]:
        """Return the arrays that make up the speech span of a row: the speech marker and the speech ids."""
        return [self.speech_marker, self.table.array(row, "speech_ids")]


class TextOnly(Form):
    """Text alone: ``<s>[Text]...</s>``."""

    def usable(self, text_lengths: np.ndarray, speech_lengths: np.ndarray, is_aligned: np.ndarray) -> np.ndarray:
        return text_lengths > 0

    def expected_lengths(self, text_lengths: np.ndarray, speech_lengths: np.ndarray) -> np.ndarray:
        return text_lengths + 3  # begin, one marker, end

    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, *self.text_span(row), self.end])


class SpeechOnly(Form):
    """Speech alone: ``<s>[Speech][Hu1]...</s>``."""

    def usable(self, text_lengths: np.ndarray, speech_lengths: np.ndarray, is_aligned: np.ndarray) -> np.ndarray:
        return speech_lengths > 0

    def expected_lengths(self, text_lengths: np.ndarray, speech_lengths: np.ndarray) -> np.ndarray:
        return speech_lengths + 3  # begin, one marker, end

    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, *self.speech_span(row), self.end])


class Transcribed(Form):
    """Base class of forms with a whole utterance in both modalities.

    Args:
        vocabulary: Vocabulary that the ids in the table are of.
        table: Tokenized utterances.
        template: Prompt around the transcript, which replaces ``{text}``.

    Raises:
        ValueError: The template does not contain ``{text}`` exactly once.
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable, template: str = "{text}") -> None:
        if template.count("{text}") != 1:
            raise ValueError(f"template {template!r} must contain {{text}} once")
        before, after = template.split("{text}")
        self.before = np.array(vocabulary.text.encode(before), dtype=np.int64)
        self.after = np.array(vocabulary.text.encode(after), dtype=np.int64)
        super().__init__(vocabulary, table)

    def expected_lengths(self, text_lengths: np.ndarray, speech_lengths: np.ndarray) -> np.ndarray:
        return super().expected_lengths(text_lengths, speech_lengths) + len(self.before) + len(self.after)

    def text_span(self, row: int) -> list[np.ndarray]:
        marker, text = super().text_span(row)
        return [marker, self.before, text, self.after]


class SpeechThenText(Transcribed):
    """Speech and its transcript, as in speech recognition: ``<s>[Speech][Hu1]...[Text]...</s>``."""

    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, *self.speech_span(row), *self.text_span(row), self.end])


class TextThenSpeech(Transcribed):
    """Text and its speech, as in speech synthesis: ``<s>[Text]...[Speech][Hu1]...</s>``."""

    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, *self.text_span(row), *self.speech_span(row), self.end])


@dataclass(frozen=True)
class _AlignedUtterance:
    """Ids of an utterance whose words have times.

    Args:
        text_ids: Ids of the text, (L,).
        speech_ids: Ids of the speech, (N,).
        word_text: Index in ``text_ids`` where each word starts, and the end, (num_words + 1,).
        word_speech: Index in ``speech_ids`` where each word starts, and the end, (num_words + 1,).
        boundaries: Words before which the modality may switch, and the number of words, (num_boundaries,).
    """

    text_ids: np.ndarray
    speech_ids: np.ndarray
    word_text: np.ndarray
    word_speech: np.ndarray
    boundaries: np.ndarray

    def text(self, start: int, end: int) -> np.ndarray:
        """Return the text ids of words ``start`` to ``end`` - 1."""
        return self.text_ids[self.word_text[start] : self.word_text[end]]

    def speech(self, start: int, end: int) -> np.ndarray:
        """Return the speech ids of words ``start`` to ``end`` - 1."""
        return self.speech_ids[self.word_speech[start] : self.word_speech[end]]


class AlignedForm(Form):
    """Base class of forms that split utterances at word boundaries, and therefore need word times.

    Args:
        vocabulary: Vocabulary that the ids in the table are of.
        table: Tokenized utterances.
        min_confidence: Lowest confidence of a word that an utterance may be split before; words with exact times are
            always confident enough.
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable, min_confidence: float = MIN_CONFIDENCE) -> None:
        super().__init__(vocabulary, table)
        self.min_confidence = min_confidence

    def usable(self, text_lengths: np.ndarray, speech_lengths: np.ndarray, is_aligned: np.ndarray) -> np.ndarray:
        return is_aligned & (speech_lengths > 0)

    def utterance(self, row: int) -> _AlignedUtterance:
        """Return the ids of a row, with the words before which it may be split."""
        word_text = self.table.array(row, "word_text")
        num_words = len(word_text) - 1
        boundaries = np.arange(1, num_words + 1)
        confidences = self.table.optional_array(row, "word_confidences")
        if confidences is not None:
            boundaries = np.append(np.flatnonzero(confidences[1:] >= self.min_confidence) + 1, num_words)
        return _AlignedUtterance(
            text_ids=self.table.array(row, "text_ids"),
            speech_ids=self.table.array(row, "speech_ids"),
            word_text=word_text,
            word_speech=self.table.array(row, "word_speech"),
            boundaries=boundaries,
        )


class WordTranscription(AlignedForm):
    """Each word in both modalities: ``<s>[Speech][Hu1]...[Text]the[Speech][Hu5]...[Text]cat...</s>``.

    The modality that comes first is drawn for each document, so that a model can be prompted in both directions. The
    Spirit LM paper reports this ablation without stating an order.
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable, min_confidence: float = MIN_CONFIDENCE) -> None:
        super().__init__(vocabulary, table, min_confidence)
        num_words = table.lengths("word_text")[self.rows] - 1
        # Each word has two markers; the base class counts the two markers of one word only.
        self.lengths = self.lengths + 2 * (num_words - 1)

    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        utterance = self.utterance(row)
        speech_first = bool(generator.integers(2))
        arrays = [self.begin]
        start = 0
        for end in utterance.boundaries.tolist():
            text = [self.text_marker, utterance.text(start, end)]
            speech = [self.speech_marker, utterance.speech(start, end)]
            arrays += [*speech, *text] if speech_first else [*text, *speech]
            start = end
        return np.concatenate([*arrays, self.end])


class Interleaved(AlignedForm):
    """Alternating spans of text and speech, switching at word boundaries that are drawn anew whenever a row is read.

    Args:
        vocabulary: Vocabulary that the ids in the table are of.
        table: Tokenized utterances.
        spans: Samples where the modality switches; before a word of less confidence, the switch is put off to the next
            confident one.
        min_confidence: Lowest confidence of a word before which the modality may switch.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        table: TokenTable,
        spans: SpanSampler,
        min_confidence: float = MIN_CONFIDENCE,
    ) -> None:
        super().__init__(vocabulary, table, min_confidence)
        self.spans = spans

    def expected_lengths(self, text_lengths: np.ndarray, speech_lengths: np.ndarray) -> np.ndarray:
        # On average each modality has half of the words; 5 is begin, end and about three markers.
        return (text_lengths + speech_lengths) // 2 + 5

    def document(self, row: int, generator: np.random.Generator) -> np.ndarray:
        utterance = self.utterance(row)
        # Random numbers are drawn in a fixed order: the first modality, then the cuts.
        is_speech = bool(generator.integers(2))
        cuts = self.spans.sample_cuts(self.table.array(row, "word_ends"), is_speech, generator)
        cuts = np.unique(utterance.boundaries[np.searchsorted(utterance.boundaries, cuts)])
        arrays = [self.begin]
        start = 0
        for end in cuts.tolist():
            if is_speech:
                arrays += [self.speech_marker, utterance.speech(start, end)]
            else:
                arrays += [self.text_marker, utterance.text(start, end)]
            start = end
            is_speech = not is_speech
        return np.concatenate([*arrays, self.end])
