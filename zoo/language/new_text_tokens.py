"""Which text tokens a new language uses that the old one did not."""

from pathlib import Path

import numpy as np

from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


def new_text_tokens(
    new: Path, old: Path, vocabulary: Vocabulary, ratio: float = 4.0, split: str = "train"
) -> list[int]:
    """Return the ids of the text tokens that a new language uses far more often than the old one.

    The model hardly knows these rows of embedding and head. A language with its own script is encoded as bytes, whose
    rows were never trained: adapters between frozen rows cannot make up for that, so the rows have to be trained too.

    Args:
        new: Folder of tokens, filled by a tokens stage, of the new language.
        old: Folder of tokens, filled by a tokens stage, of the language that the model was trained on.
        vocabulary: Vocabulary of both folders.
        ratio: Smallest quotient of a token's share in the new language and its share in the old one; at least 1.
        split: Split that is read from both folders.

    Raises:
        ValueError: ``ratio`` is below 1.
    """
    if ratio < 1:
        raise ValueError(f"ratio={ratio}: want at least 1")
    new_shares = _shares(TokenTable(new, split), vocabulary.num_text)
    old_shares = _shares(TokenTable(old, split), vocabulary.num_text)
    return np.flatnonzero((new_shares > 0) & (new_shares >= ratio * old_shares)).tolist()


def _shares(table: TokenTable, num_text: int) -> np.ndarray:
    """Return the share of each text token in all texts, (num_text,)."""
    counts = np.zeros(num_text, dtype=np.int64)
    for row in range(len(table)):
        counts += np.bincount(table.array(row, "text_ids"), minlength=num_text)
    return counts / max(1, counts.sum())
