"""The protocol of corpus sources, the items that they yield, and the reading of an audio file's header."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lhotse import AudioSource, Recording
from lhotse.cut import Cut

from zoo.audio_decoders import AudioError
from zoo.audio_files import read_info

# Containers, which are read only if PyAV is installed.
CONTAINER_SUFFIXES = (".m4a", ".mp4", ".aac", ".webm", ".mka", ".wma", ".amr")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", *CONTAINER_SUFFIXES)


@dataclass(frozen=True)
class BadItem:
    """An utterance that cannot be used.

    Args:
        id: Id of the utterance.
        audio: Path of its audio.
        reason: Why it cannot be used.
        file: File that holds its labels; empty if it is not known.
        line: Number of the line in that file, from 1; None if the file holds one utterance.
    """

    id: str
    audio: str
    reason: str
    file: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Items:
    """Utterances of a split, read lazily and anew at every iteration.

    Args:
        make: Returns a new iterator over the utterances.
    """

    make: Callable[[], Iterator[Cut | BadItem]]

    def __iter__(self) -> Iterator[Cut | BadItem]:
        return self.make()


class Source(Protocol):
    """A corpus that can be prepared for training: its splits, with their utterances."""

    @property
    def synthetic(self) -> bool:
        """Whether the speech is synthetic."""
        ...

    @property
    def description(self) -> str:
        """What the corpus is read as, on one line."""
        ...

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits ``train``, ``dev`` and, if there is one, ``test``.

        Args:
            folder: Folder of the prepared corpus; audio that the source makes itself is written below it.
        """
        ...


def read_recording(path: Path) -> Recording:
    """Read the header of an audio file.

    Raises:
        ValueError: The file is missing, unreadable, empty or no regular file; the message is the reason alone.
    """
    try:
        info = read_info(path)
    except AudioError as error:
        raise ValueError(reason_without_name(error, path)) from error
    if info.num_samples <= 0:
        raise ValueError("zero length")
    channels = list(range(info.num_channels))
    return Recording(
        id=path.stem,
        sources=[AudioSource("file", channels, str(path.resolve()))],
        sampling_rate=info.sample_rate,
        num_samples=info.num_samples,
        duration=info.seconds,
        channel_ids=channels,
    )


def reason_without_name(error: AudioError, path: Path) -> str:
    """Return why audio is unusable, without the path that the message begins with."""
    return str(error).removeprefix(str(path)).lstrip(": ")
