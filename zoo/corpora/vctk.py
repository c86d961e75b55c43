"""VCTK as published: audio in one folder by speaker, transcripts in another."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo.corpora.folder_walk import files_below
from zoo.corpora.row import Row, RowReader
from zoo.corpora.row_corpus import RowCorpus
from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.corpora.transcripts import read_transcript

# Of the releases with two microphones, the first is read.
AUDIO_FOLDERS = ("wav48_silence_trimmed", "wav48", "wav22", "wav16", "wav")
TEXT_FOLDER = "txt"
FIRST_MICROPHONE = "_mic1"
SECOND_MICROPHONE = "_mic2"


@dataclass(frozen=True)
class VctkCorpus(RowCorpus):
    """VCTK, or another corpus in its layout: ``wav48/p225/p225_001.wav`` with ``txt/p225/p225_001.txt``.

    Args:
        path: The folder with ``wav48`` or ``wav48_silence_trimmed``, and ``txt``.
        language: BCP-47, of every utterance.
        dev_share: Approximate share of the utterances that is held out: whole speakers if there are enough of them.
    """

    @property
    def description(self) -> str:
        return f"{self.path}: VCTK layout, audio in {audio_folder(self.path).name}/ and texts in {TEXT_FOLDER}/"

    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split; nothing is written to ``folder``."""
        return {"train": RowReader(partial(_rows, self.path))}


def is_vctk(path: Path) -> bool:
    """Return whether a folder has audio and texts in folders of their own."""
    return (path / TEXT_FOLDER).is_dir() and any((path / name).is_dir() for name in AUDIO_FOLDERS)


def audio_folder(path: Path) -> Path:
    """Return the folder of the audio.

    Raises:
        FileNotFoundError: There is none.
    """
    for name in AUDIO_FOLDERS:
        if (path / name).is_dir():
            return path / name
    raise FileNotFoundError(f"{path}: no folder of audio; want one of {', '.join(AUDIO_FOLDERS)}")


def _rows(root: Path) -> Iterator[Row]:
    folder = audio_folder(root)
    for path in files_below(folder, AUDIO_SUFFIXES):
        if path.stem.endswith(SECOND_MICROPHONE):
            continue
        relative = path.relative_to(folder)
        name = path.stem.removesuffix(FIRST_MICROPHONE)
        columns: dict[str, Any] = {"id": "-".join((*relative.parts[:-1], name)), "audio": str(path)}
        columns |= {"speaker": relative.parts[0]} if len(relative.parts) > 1 else {}
        text = root / TEXT_FOLDER / relative.parent / f"{name}.txt"
        transcript = read_transcript(path, [text] if text.exists() else [])
        problem = f"no transcript {text.relative_to(root)}" if not text.exists() else transcript.problem
        columns["text"] = transcript.text
        yield Row(path, None, columns, problem, find_audio=Path)
