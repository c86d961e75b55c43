"""One tokenized utterance as a document of ids, in each of the forms that a language model trains on."""

from abc import ABC, abstractmethod

import numpy as np

from zoo.tokens.interleave import SpanSampler
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


class Form(ABC):
    """Makes documents (N,) of one form: begin, marked spans, end.

    Args:
        vocabulary: Of the ids in the table.
        table: Tokenized utterances.

    Attributes:
        rows: Utterances of the table that can take this form.
        lengths: Expected length of the document of each of them, (len(rows),).
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable) -> None:
        self.table = table
        self.begin, self.end = np.array([vocabulary.bos]), np.array([vocabulary.eos])
        self.text_marker, self.speech_marker = np.array([vocabulary.text_marker]), np.array([vocabulary.speech_marker])
        text, speech = table.lengths("text_ids"), table.lengths("speech_ids")
        self.rows = np.flatnonzero(self.usable(text, speech, table.lengths("word_text") > 1))
        self.lengths = self.expected(text[self.rows], speech[self.rows])

    def usable(self, text: np.ndarray, speech: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        """Which utterances have what the form needs, given their numbers of ids and whether words are aligned."""
        return (text > 0) & (speech > 0)

    def expected(self, text: np.ndarray, speech: np.ndarray) -> np.ndarray:
        return text + speech + 4

    @abstractmethod
    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        """Ids (N,) of one utterance of the table."""


class TextOnly(Form):
    """``<s>[Text]...</s>``"""

    def usable(self, text: np.ndarray, speech: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        return text > 0

    def expected(self, text: np.ndarray, speech: np.ndarray) -> np.ndarray:
        return text + 3

    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, self.text_marker, self.table.array(row, "text_ids"), self.end])


class SpeechOnly(Form):
    """``<s>[Speech][Hu1]...</s>``"""

    def usable(self, text: np.ndarray, speech: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        return speech > 0

    def expected(self, text: np.ndarray, speech: np.ndarray) -> np.ndarray:
        return speech + 3

    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, self.speech_marker, self.table.array(row, "speech_ids"), self.end])


class Transcribed(Form):
    """An utterance both spoken and written.

    Args:
        template: Words around the text, which stands at ``{text}``.

    Raises:
        ValueError: Where the template does not hold ``{text}`` once.
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable, template: str = "{text}") -> None:
        if template.count("{text}") != 1:
            raise ValueError(f"template {template!r} must hold {{text}} once")
        self.before, self.after = (
            np.array(vocabulary.text.encode(part), dtype=np.int64) for part in template.split("{text}")
        )
        super().__init__(vocabulary, table)

    def expected(self, text: np.ndarray, speech: np.ndarray) -> np.ndarray:
        return text + speech + 4 + len(self.before) + len(self.after)

    def written(self, row: int) -> list[np.ndarray]:
        return [self.text_marker, self.before, self.table.array(row, "text_ids"), self.after]

    def spoken(self, row: int) -> list[np.ndarray]:
        return [self.speech_marker, self.table.array(row, "speech_ids")]


class SpeechThenText(Transcribed):
    """``<s>[Speech][Hu1]...[Text]...</s>``, the order of speech recognition."""

    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, *self.spoken(row), *self.written(row), self.end])


class TextThenSpeech(Transcribed):
    """``<s>[Text]...[Speech][Hu1]...</s>``, the order of speech synthesis."""

    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        return np.concatenate([self.begin, *self.written(row), *self.spoken(row), self.end])


class WordTranscription(Form):
    """``<s>[Speech][Hu1]...[Text]the[Speech][Hu5]...[Text]cat...</s>``: each word spoken and written, in an order drawn by document.

    The paper names this ablation without its order; a half of each lets both directions be asked for.
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable) -> None:
        super().__init__(vocabulary, table)
        words = table.lengths("word_text")[self.rows] - 1
        self.lengths = self.lengths + 2 * (words - 1)

    def usable(self, text: np.ndarray, speech: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        return aligned & (speech > 0)

    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        text, speech = self.table.array(row, "text_ids"), self.table.array(row, "speech_ids")
        in_text, in_speech = self.table.array(row, "word_text"), self.table.array(row, "word_speech")
        speaking, parts = bool(draw.integers(2)), [self.begin]
        for word in range(len(in_text) - 1):
            spoken = [self.speech_marker, speech[in_speech[word] : in_speech[word + 1]]]
            written = [self.text_marker, text[in_text[word] : in_text[word + 1]]]
            parts += [*spoken, *written] if speaking else [*written, *spoken]
        return np.concatenate([*parts, self.end])


class Interleaved(Form):
    """Text and speech by turns, switching at word boundaries, cut anew each time the utterance is read.

    Args:
        spans: Where the switches fall.
    """

    def __init__(self, vocabulary: Vocabulary, table: TokenTable, spans: SpanSampler) -> None:
        super().__init__(vocabulary, table)
        self.spans = spans

    def usable(self, text: np.ndarray, speech: np.ndarray, aligned: np.ndarray) -> np.ndarray:
        return aligned & (speech > 0)

    def expected(self, text: np.ndarray, speech: np.ndarray) -> np.ndarray:
        return (text + speech) // 2 + 5

    def document(self, row: int, draw: np.random.Generator) -> np.ndarray:
        text, speech = self.table.array(row, "text_ids"), self.table.array(row, "speech_ids")
        in_text, in_speech = self.table.array(row, "word_text"), self.table.array(row, "word_speech")
        speaking = bool(draw.integers(2))
        cuts = self.spans.cut(self.table.array(row, "word_ends"), speaking, draw)
        parts, start = [self.begin], 0
        for end in cuts.tolist():
            if speaking:
                parts += [self.speech_marker, speech[in_speech[start] : in_speech[end]]]
            else:
                parts += [self.text_marker, text[in_text[start] : in_text[end]]]
            start, speaking = end, not speaking
        return np.concatenate([*parts, self.end])
