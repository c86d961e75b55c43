"""Names of splits, in one vocabulary for all kinds of corpora."""

import re
from collections.abc import Iterable

SPLITS = ("train", "dev", "test")
# The split that a word of a name stands for: cuts_valid.jsonl, dev-clean, train-clean-100, test_other.
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "devel": "dev",
    "development": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
EVALUATION_WORDS = ("eval", "evaluation")


def split_of(name: str) -> str | None:
    """Return the split that the last such word of a name stands for; None if there is none."""
    splits = [SPLIT_WORDS[word] for word in _words(name) if word in SPLIT_WORDS]
    return splits[-1] if splits else None


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """Return the split of each name that stands for one.

    ``eval`` is the test split, as in Kaldi, but beside a ``test`` and without a ``dev`` it is the dev
    split.
    """
    splits = {}
    for name in names:
        split = split_of(name)
        if split is not None:
            splits[name] = split
    evaluation = [name for name in splits if any(word in EVALUATION_WORDS for word in _words(name))]
    has_other_test = any(split == "test" for name, split in splits.items() if name not in evaluation)
    if has_other_test and "dev" not in splits.values():
        for name in evaluation:
            splits[name] = "dev"
    return splits


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", name.lower())
