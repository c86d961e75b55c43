"""Lookup of speakers and styles by name or index."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.suggestions import listed, suggest


@dataclass(frozen=True)
class Choices:
    """The speakers or styles that a vocoder can choose from for an utterance.

    Args:
        kind: Kind of the choices in error messages: ``speaker`` or ``style``.
        names: Names of the choices with the lowest indices; the others have an index only.
        count: Number of choices; 0 if there is nothing to choose from.
        default: Index of the choice that is used if none is given.
    """

    kind: str
    names: Sequence[str]
    count: int
    default: int

    def index(self, choice: str | int | None) -> int:
        """Return the index of a choice given by name or index; the default index for None.

        Raises:
            ValueError: If there is no such name or index, or nothing to choose from.
        """
        if choice is None:
            return self.default
        if self.count == 0:
            raise ValueError(f"{self.kind} {choice!r}: this vocoder has no {self.kind} to choose")
        if isinstance(choice, str):
            return self._index_of_name(choice)
        if not 0 <= choice < self.count:
            raise ValueError(f"{self.kind} {choice} is out of range: this vocoder has 0 to {self.count - 1}")
        return choice

    def _index_of_name(self, name: str) -> int:
        names = list(self.names)
        if name not in names:
            known = listed(names) if names else "no names, only numbers"
            raise ValueError(f"no {self.kind} {name!r}; {suggest(name, names, f'this vocoder has {known}')}")
        return names.index(name)
