"""Which text pieces a new language brings with it."""

from pathlib import Path

import numpy as np

from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


def new_text_tokens(
    new: Path, old: Path, vocabulary: Vocabulary, ratio: float = 4.0, split: str = "train"
) -> list[int]:
    """Ids of the text pieces that a new language uses far more often than the old one: rows that the model hardly knows.

    A language in letters of its own comes as bytes, whose rows never learned anything. Adapters between frozen rows cannot
    teach them; the rows have to learn too.

    Args:
        new: Folder filled by a tokens stage, of the new language.
        old: Likewise, of the language that the model knows.
        vocabulary: Of both.
        ratio: Least quotient of the two shares.
        split: Of both.

    Raises:
        ValueError: Where ``ratio`` is below 1.
    """
    if ratio < 1:
        raise ValueError(f"ratio={ratio}: want at least 1")
    shares = [_shares(TokenTable(folder, split), vocabulary.num_text) for folder in (new, old)]
    return np.flatnonzero((shares[0] > 0) & (shares[0] >= ratio * shares[1])).tolist()


def _shares(table: TokenTable, size: int) -> np.ndarray:
    """Share of each text piece in all texts, (size,)."""
    counts = np.zeros(size, dtype=np.int64)
    for row in range(len(table)):
        counts += np.bincount(table.array(row, "text_ids"), minlength=size)
    return counts / max(1, counts.sum())
