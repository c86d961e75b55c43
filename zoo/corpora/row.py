"""A row: one utterance as it is written in a corpus, before it is checked and compared with its audio."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.corpora.held_out import UtteranceKey
from zoo.corpora.split_names import split_of
from zoo.corpora.utterance import UNKNOWN_SPEAKER

# Texts of missing values, as pandas writes them.
MISSING = ("", "nan", "NaN", "None", "<NA>", "null")


@dataclass(frozen=True)
class Row:
    """One utterance of a corpus as its files have it.

    Args:
        file: File that holds the row; the audio file itself where there is no other.
        line: Number of the line in the file, from 1; None if the file holds one utterance.
        columns: Values as they are in the file, of any type, by the names of ``column_names.COLUMN_NAMES``; ``audio``
            is a path.
        problem: Why the row cannot be read; None if it can.
        find_audio: Returns the audio file of the path in a row. Defaults to the path below the folder of ``file``.
    """

    file: Path
    line: int | None
    columns: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None
    find_audio: Callable[[str], Path] | None = None

    @property
    def place(self) -> str:
        """Name of the file, and the line, for messages."""
        return self.file.name if self.line is None else f"{self.file.name}:{self.line}"

    @property
    def id(self) -> str:
        """The ``id``, or else the audio path with dashes, and where in it the utterance starts."""
        if not is_missing(self.columns.get("id")):
            return str(self.columns["id"])
        audio = self.columns.get("audio")
        if not isinstance(audio, str) or not audio:
            return self.place
        name = "-".join(Path(audio).with_suffix("").parts).lstrip("/-.") or audio
        start = self.columns.get("start")
        return name if is_missing(start) else f"{name}-{start}"

    @property
    def speaker(self) -> str:
        speaker = self.columns.get("speaker")
        return UNKNOWN_SPEAKER if is_missing(speaker) else str(speaker)

    @property
    def key(self) -> UtteranceKey:
        return UtteranceKey(self.id, self.speaker)

    @property
    def split(self) -> str | None:
        """The split that the column ``split`` names, or else the first folder of the audio path."""
        split = self.columns.get("split")
        if isinstance(split, str):
            return split_of(split)
        audio = self.columns.get("audio")
        if isinstance(audio, str) and len(Path(audio).parts) > 1:
            return split_of(Path(audio).parts[0])
        return None

    def audio_path(self) -> Path:
        """Return the path of the audio file."""
        audio = self.columns["audio"]
        return self.find_audio(audio) if self.find_audio else self.file.parent / audio


@dataclass(frozen=True)
class RowReader:
    """Rows that are read anew at every iteration.

    Args:
        read: Returns a new iterator over the rows.
        read_keys: The same, for which only ids, speakers and splits are needed. Defaults to ``read``.
    """

    read: Callable[[], Iterator[Row]]
    read_keys: Callable[[], Iterator[Row]] | None = None

    def key_rows(self) -> Iterator[Row]:
        """Yield the rows, perhaps without their audio."""
        return self.read_keys() if self.read_keys else self.read()


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, empty, or a text that stands for a missing value."""
    if isinstance(value, str):
        return value.strip() in MISSING
    return value is None or value != value
