"""A corpus divided anew, so that every speaker is once among those that training does not hear."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lhotse.cut import Cut

from zoo.corpora.source import BadItem, Items, Source
from zoo.corpora.utterance import utterance


@dataclass(frozen=True)
class SpeakerFold:
    """All splits of a corpus together; a part of the speakers is ``dev``, all others are ``train``.

    Args:
        source: The corpus.
        part: Which speakers are left out of training, from 0.
        parts: That the speakers, in the order of their names, are dealt into; as many as speakers to leave out one at a time.
    """

    source: Source
    part: int
    parts: int

    @property
    def synthetic(self) -> bool:
        return self.source.synthetic

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return ``train`` and ``dev``.

        Raises:
            ValueError: There is no such part, or there are fewer speakers than parts.
        """
        whole = self.source.splits(folder)
        speakers = sorted(
            {utterance(cut).speaker for items in whole.values() for cut in items if not isinstance(cut, BadItem)}
        )
        if not 0 <= self.part < self.parts or self.parts < 2:
            raise ValueError(f"part {self.part} of parts {self.parts}: want at least two parts, counted from 0")
        if len(speakers) < self.parts:
            raise ValueError(
                f"parts: {self.parts}, but {self.source} has {len(speakers)} speakers ({', '.join(speakers[:10])}); want at most as many parts"
            )
        chosen = frozenset(speakers[self.part :: self.parts])
        return {"train": Items(partial(_of, whole, chosen, False)), "dev": Items(partial(_of, whole, chosen, True))}


def _of(splits: dict[str, Items], speakers: frozenset[str], wanted: bool) -> Iterator[Cut | BadItem]:
    """Cuts of some speakers, or of all others, those with the items that cannot be used."""
    for items in splits.values():
        for cut in items:
            if (not isinstance(cut, BadItem) and utterance(cut).speaker in speakers) == wanted:
                yield cut
