"""What no understanding reaches: token frequencies alone."""

from collections.abc import Iterable, Sequence

import numpy as np

from zoo.evaluation.scoring.contrast import Contrast
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


class Unigram:
    """Scores each token by how often it was seen, whatever comes before; text and speech are counted apart.

    Args:
        counts: Of every id of the vocabulary, (rows,).
        vocabulary: Whose ids they are.
    """

    def __init__(self, counts: np.ndarray, vocabulary: Vocabulary) -> None:
        self.log_shares = np.zeros(len(counts))
        for ids in (slice(0, vocabulary.num_text), slice(vocabulary.first_unit, len(vocabulary))):
            smoothed = counts[ids] + 1.0
            self.log_shares[ids] = np.log(smoothed / smoothed.sum())

    def __call__(self, candidates: Sequence[Candidate]) -> np.ndarray:
        """Sums of log-probabilities of the continuations, (N,)."""
        return np.array([self.log_shares[candidate.continuation].sum() for candidate in candidates])

    @classmethod
    def of(cls, vocabulary: Vocabulary, sequences: Iterable[np.ndarray]) -> "Unigram":
        """Count ids in sequences of them, each (N,)."""
        counts = np.zeros(vocabulary.num_rows, dtype=np.int64)
        for ids in sequences:
            counts += np.bincount(ids, minlength=len(counts))
        return cls(counts, vocabulary)

    @classmethod
    def of_table(cls, vocabulary: Vocabulary, table: TokenTable) -> "Unigram":
        """Count the text and the speech of tokenized utterances."""
        return cls.of(
            vocabulary, (table.array(row, column) for row in range(len(table)) for column in ("text_ids", "speech_ids"))
        )

    @classmethod
    def of_items(cls, vocabulary: Vocabulary, items: Sequence[Contrast]) -> "Unigram":
        """Count the continuations of a suite, right and wrong alike, where no training tokens are at hand."""
        return cls.of(
            vocabulary,
            (
                ids
                for item in items
                for choice in item.choices
                for ids in (choice.text, choice.speech)
                if ids is not None
            ),
        )
