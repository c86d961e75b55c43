"""Audio files with their transcripts beside them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from lhotse.cut import Cut

from zoo.corpora.source import AUDIO_SUFFIXES, SPLITS, BadItem, Items, file_cut, held_out
from zoo.corpora.utterance import UNKNOWN_SPEAKER


@dataclass(frozen=True)
class FolderCorpus:
    """A folder of audio files, each with a ``.txt`` of the same name beside it.

    Subfolders ``train``, ``dev`` and ``test`` are the splits; without a ``dev`` one is held out. The first subfolder
    below that, where there is one, is the speaker.

    Args:
        path: The folder.
        language: BCP-47, of every utterance.
        dev_share: Of the utterances, about, where dev has to be held out: whole speakers if there are enough of them.
        transcripts: False for speech without text: no ``.txt`` is looked for.
    """

    path: Path
    language: str = "en"
    dev_share: float = 0.05
    transcripts: bool = True
    synthetic: ClassVar[bool] = False

    def splits(self, folder: Path) -> dict[str, Items]:
        """Return the splits; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: No audio files are there.
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
        is_dev = held_out((self._key(path, root) for path in _audio_files(root)), self.dev_share, str(self.path))
        parts = {split: Items(partial(self._cuts, root, is_dev, split == "dev")) for split in ("train", "dev")}
        return parts | {split: Items(partial(self._cuts, other)) for split, other in roots.items()}

    def _key(self, path: Path, root: Path) -> tuple[str, str]:
        """(id, speaker) of a file: ``anna/first/1.wav`` is utterance ``anna-first-1`` of ``anna``."""
        inside = path.relative_to(root)
        return "-".join(inside.with_suffix("").parts), inside.parts[0] if len(inside.parts) > 1 else UNKNOWN_SPEAKER

    def _cuts(
        self,
        root: Path,
        is_dev: Callable[[str, str], bool] | None = None,
        wanted: bool = False,
    ) -> Iterator[Cut | BadItem]:
        for path in _audio_files(root):
            id, speaker = self._key(path, root)
            if is_dev is not None and is_dev(id, speaker) != wanted:
                continue
            text = _transcript(path) if self.transcripts else ""
            if text is None:
                yield BadItem(id, str(path), f"no transcript: {path.with_suffix('.txt').name} is missing or not UTF-8")
            else:
                yield file_cut(path, id, text, self.language, speaker)


def _audio_files(root: Path) -> Iterator[Path]:
    """Every audio file below ``root`` in an order that does not depend on the file system; holds one folder at a time."""
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith("."):
                yield Path(folder, name)


def has_audio(root: Path) -> bool:
    """Whether any audio file is below ``root``."""
    return next(_audio_files(root), None) is not None


def _transcript(path: Path) -> str | None:
    try:
        return " ".join(path.with_suffix(".txt").read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError):
        return None
