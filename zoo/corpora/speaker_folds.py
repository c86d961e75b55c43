"""Cross-validation over speakers: a corpus split anew, so that every speaker is held out in one of the folds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lhotse.cut import Cut

from zoo.corpora.source import BadItem, Items, Source
from zoo.corpora.utterance import to_utterance
from zoo.ranges import NonNegativeInt, Size, check_ranges


@dataclass(frozen=True)
class SpeakerFold:
    """All splits of a corpus together, of which one fold of the speakers is ``dev`` and all others are ``train``.

    Args:
        source: The corpus.
        fold: Index of the fold whose speakers are held out, from 0.
        num_folds: Number of folds into which the speakers, sorted by name, are dealt in turn; the number of speakers
            holds out one speaker at a time.
    """

    source: Source
    fold: NonNegativeInt
    num_folds: Size

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def synthetic(self) -> bool:
        return self.source.synthetic

    @property
    def description(self) -> str:
        return f"{self.source.description}; fold {self.fold} of {self.num_folds} of its speakers held out"

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return ``train`` and ``dev``.

        Raises:
            ValueError: There is no such fold, or there are fewer speakers than folds.
        """
        if not 0 <= self.fold < self.num_folds or self.num_folds < 2:
            raise ValueError(f"fold {self.fold} of num_folds {self.num_folds}: want at least two folds, counted from 0")
        splits = self.source.splits(folder)
        speakers = _speakers(splits)
        if len(speakers) < self.num_folds:
            raise ValueError(
                f"num_folds: {self.num_folds}, but {self.source} has {len(speakers)} speakers "
                f"({', '.join(speakers[:10])}); want at most as many folds as speakers"
            )
        held_out = frozenset(speakers[self.fold :: self.num_folds])
        return {
            "train": Items(partial(_select, splits, held_out, False)),
            "dev": Items(partial(_select, splits, held_out, True)),
        }


def _speakers(splits: dict[str, Items]) -> list[str]:
    """Names of the speakers of all splits, sorted."""
    speakers = set()
    for items in splits.values():
        for item in items:
            if not isinstance(item, BadItem):
                speakers.add(to_utterance(item).speaker)
    return sorted(speakers)


def _select(splits: dict[str, Items], held_out: frozenset[str], is_dev: bool) -> Iterator[Cut | BadItem]:
    """Yield the cuts of the held-out speakers, or those of all others; unusable items belong to the others."""
    for items in splits.values():
        for item in items:
            is_held_out = not isinstance(item, BadItem) and to_utterance(item).speaker in held_out
            if is_held_out == is_dev:
                yield item
