"""Corpora of audio files with their transcripts beside them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lhotse.cut import Cut

from zoo.corpora.source import AUDIO_SUFFIXES, SPLITS, BadItem, Items, UtteranceKey, choose_held_out, file_cut
from zoo.corpora.utterance import UNKNOWN_SPEAKER
from zoo.files import is_special

MAX_TRANSCRIPT_BYTES = 1 << 20


@dataclass(frozen=True)
class FolderCorpus:
    """A folder of audio files, each with a ``.txt`` of the same name beside it.

    Subfolders ``train``, ``dev`` and ``test`` are the splits; without a ``dev`` one is held out. The first subfolder
    below that, where there is one, is the speaker.

    Args:
        path: The folder.
        language: BCP-47, of every utterance.
        dev_share: Share of the utterances, about, that are held out if there is no ``dev``: whole speakers if there are
            enough of them.
        transcripts: Whether a transcript is read for each file; without, all texts are empty.
    """

    path: Path
    language: str = "en"
    dev_share: float = 0.05
    transcripts: bool = True

    @property
    def synthetic(self) -> bool:
        return False

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: There are no audio files.
        """
        roots = {split: self.path / split for split in SPLITS if (self.path / split).is_dir()}
        if "train" not in roots:
            roots = {"train": self.path}
        for split, root in roots.items():
            if not has_audio(root):
                raise FileNotFoundError(f"{root}: no audio files ({', '.join(AUDIO_SUFFIXES)}) for split {split!r}")
        if "dev" in roots:
            return {split: Items(partial(self._cuts, root)) for split, root in roots.items()}
        root = roots.pop("train")
        keys = (_key(path, root) for path in _audio_files(root))
        is_held_out = choose_held_out(keys, self.dev_share, str(self.path))
        splits = {
            "train": Items(partial(self._cuts, root, is_held_out, False)),
            "dev": Items(partial(self._cuts, root, is_held_out, True)),
        }
        return splits | {split: Items(partial(self._cuts, other)) for split, other in roots.items()}

    def _cuts(
        self, root: Path, is_held_out: Callable[[UtteranceKey], bool] | None = None, is_dev: bool = False
    ) -> Iterator[Cut | BadItem]:
        """Yield all utterances below ``root``, or, given a choice, those that are held out or those that are not."""
        for path in _audio_files(root):
            key = _key(path, root)
            if is_held_out is not None and is_held_out(key) != is_dev:
                continue
            text = _read_transcript(path) if self.transcripts else ""
            if text is None:
                yield BadItem(key.id, str(path), f"no transcript: {_transcript_problem(path.with_suffix('.txt'))}")
            else:
                yield file_cut(path, key.id, text, self.language, key.speaker)


def _key(path: Path, root: Path) -> UtteranceKey:
    """Return the key of a file: ``anna/first/1.wav`` is the utterance ``anna-first-1`` of the speaker ``anna``."""
    relative = path.relative_to(root)
    speaker = relative.parts[0] if len(relative.parts) > 1 else UNKNOWN_SPEAKER
    return UtteranceKey("-".join(relative.with_suffix("").parts), speaker)


def _audio_files(root: Path) -> Iterator[Path]:
    """Yield the audio files below ``root`` in an order that does not depend on the file system.

    Links are followed, but each folder is read once, so that links to folders above them are no endless loop. The names
    of one folder at a time are in memory, and the numbers of all folders.
    """
    visited = {_folder_number(root)}
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = _unvisited(Path(folder), folders, visited)
        for name in sorted(files):
            if name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith("."):
                yield Path(folder, name)


def _unvisited(parent: Path, names: list[str], visited: set[tuple[int, int]]) -> list[str]:
    """Return the sorted names of the folders that are not hidden and not in ``visited``, to which they are added."""
    unvisited = []
    # A folder has precedence over a link to it.
    for name in sorted(names, key=lambda name: ((parent / name).is_symlink(), name)):
        if name.startswith("."):
            continue
        number = _folder_number(parent / name)
        if number not in visited:
            visited.add(number)
            unvisited.append(name)
    return sorted(unvisited)


def _folder_number(folder: Path) -> tuple[int, int]:
    """Return what identifies a folder by whatever path it is reached: its device and inode."""
    status = folder.stat()
    return status.st_dev, status.st_ino


def has_audio(root: Path) -> bool:
    """Return whether there is any audio file below ``root``."""
    return next(_audio_files(root), None) is not None


def _read_transcript(path: Path) -> str | None:
    """Return the transcript beside an audio file, None if it cannot be read."""
    transcript = path.with_suffix(".txt")
    try:
        if is_special(transcript) or transcript.stat().st_size > MAX_TRANSCRIPT_BYTES:
            return None
        return " ".join(transcript.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError):
        return None


def _transcript_problem(transcript: Path) -> str:
    """Return why a transcript cannot be read."""
    if is_special(transcript):
        return f"{transcript.name} is not a regular file"
    if transcript.is_file() and transcript.stat().st_size > MAX_TRANSCRIPT_BYTES:
        return f"{transcript.name} has more than {MAX_TRANSCRIPT_BYTES} bytes"
    return f"{transcript.name} is missing or not UTF-8"
