"""Unigram baseline: token frequencies alone, without any context."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from zoo.evaluation.scoring.token_trees import Candidate
from zoo.evaluation.suites.contrast_suite import Contrast
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


class UnigramModel:
    """Scores each token by its relative frequency, whatever comes before; text and speech are normalized separately.

    Args:
        counts: Count of every id of the vocabulary, (num_rows,).
        vocabulary: Vocabulary of the ids.
    """

    def __init__(self, counts: np.ndarray, vocabulary: Vocabulary) -> None:
        self.log_frequencies = np.zeros(len(counts))
        text_ids = slice(0, vocabulary.num_text)
        speech_ids = slice(vocabulary.first_unit, len(vocabulary))
        for ids in (text_ids, speech_ids):
            smoothed = counts[ids] + 1.0
            self.log_frequencies[ids] = np.log(smoothed / smoothed.sum())

    def __call__(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Return the sums of log-probabilities of the continuations, (N,)."""
        return np.array([self.log_frequencies[candidate.continuation].sum() for candidate in candidates])

    @classmethod
    def from_sequences(cls, vocabulary: Vocabulary, sequences: Iterable[np.ndarray]) -> "UnigramModel":
        """Count the ids of sequences, each (N,)."""
        counts = np.zeros(vocabulary.num_rows, dtype=np.int64)
        for ids in sequences:
            counts += np.bincount(ids, minlength=len(counts))
        return cls(counts, vocabulary)

    @classmethod
    def from_table(cls, vocabulary: Vocabulary, table: TokenTable) -> "UnigramModel":
        """Count the text and the speech of tokenized utterances."""
        return cls.from_sequences(vocabulary, _table_sequences(table))

    @classmethod
    def from_contrasts(cls, vocabulary: Vocabulary, items: Sequence[Contrast]) -> "UnigramModel":
        """Count the continuations of a suite, right and wrong alike, where no training tokens are available."""
        return cls.from_sequences(vocabulary, _continuations(items))


def _table_sequences(table: TokenTable) -> Iterator[np.ndarray]:
    for row in range(len(table)):
        for column in ("text_ids", "speech_ids"):
            ids = table.array(row, column)
            if ids is not None:
                yield ids


def _continuations(items: Sequence[Contrast]) -> Iterator[np.ndarray]:
    for item in items:
        for choice in item.choices:
            for modality in ("T", "S"):
                if choice.has(modality):
                    yield choice.ids(modality)
