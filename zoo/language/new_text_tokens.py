"""Text tokens that a new language uses far more often than the language a model was trained on."""

from pathlib import Path

import numpy as np

from zoo.ranges import PositiveFloat
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


def new_text_tokens(
    new: Path, old: Path, vocabulary: Vocabulary, ratio: PositiveFloat = 4.0, split: str = "train"
) -> list[int]:
    """Return the ids of the text tokens that a new language uses far more often than the old one.

    The rows of these tokens in embedding and head are hardly trained. A script that the text tokenizer does not cover
    is even encoded as bytes, whose rows were never trained. Adapters cannot compensate for such rows if they stay
    frozen, so the rows have to be trained, too.

    Args:
        new: Folder of tokens, filled by a tokens stage, of the new language.
        old: Folder of tokens, filled by a tokens stage, of the language that the model was trained on.
        vocabulary: Vocabulary of both folders.
        ratio: Smallest ratio of a token's share of the new language's tokens to its share of the old language's tokens;
            at least 1.
        split: Split that is read from both folders.

    Raises:
        ValueError: If ``ratio`` is below 1.
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
