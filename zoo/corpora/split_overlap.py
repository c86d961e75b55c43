"""What train and held-out splits have in common, which makes measures on the held-out splits too good."""

from collections.abc import Mapping
from itertools import combinations

from lhotse.cut import Cut

from zoo.corpora.utterance import UNKNOWN_SPEAKER, audio_name

MAX_NAMES = 5


class SplitOverlap:
    """Record of the audio in each split; only hashes are in memory."""

    def __init__(self) -> None:
        self._hashes: dict[str, set[int]] = {}
        self._shared: dict[tuple[str, str], list[str]] = {}

    def add(self, cut: Cut, split: str) -> bool:
        """Add the audio of a cut, and return whether the split has it already."""
        name = audio_name(cut)
        number = hash((name, round(getattr(cut, "start", 0.0), 3), getattr(cut, "channel", None).__repr__()))
        hashes = self._hashes.setdefault(split, set())
        is_known = number in hashes
        for other, other_hashes in self._hashes.items():
            if other != split and number in other_hashes:
                self._shared.setdefault((other, split), []).append(name)
        hashes.add(number)
        return is_known

    def warnings(self, speakers: Mapping[str, Mapping[str, int]], strict: bool) -> list[str]:
        """Return one line for each pair of splits that share audio or, if ``strict``, speakers.

        Args:
            speakers: Speakers by split.
            strict: Whether shared speakers are warned of.
        """
        lines = []
        for (first, second), names in self._shared.items():
            lines.append(f"{first} and {second} share {len(names)} utterances of audio, such as {names[0]}")
        for first, second in combinations(speakers, 2) if strict else ():
            shared = sorted(speakers[first].keys() & speakers[second].keys() - {UNKNOWN_SPEAKER})
            if shared:
                more = ", ..." if len(shared) > MAX_NAMES else ""
                lines.append(
                    f"{first} and {second} share {len(shared)} speakers: {', '.join(shared[:MAX_NAMES])}{more}"
                )
        return lines
