"""Corpora of audio files with their transcripts beside them, or without any."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zoo.corpora.folder_walk import files_below
from zoo.corpora.row import Row, RowReader
from zoo.corpora.row_corpus import RowCorpus
from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.corpora.split_names import splits_of
from zoo.corpora.transcripts import Transcript, read_transcript, transcript_files


@dataclass(frozen=True)
class FolderCorpus(RowCorpus):
    """A folder of audio files, each with a transcript of the same name beside it.

    Transcripts are ``.txt``, ``.lab`` or ``.normalized.txt``; a ``.TextGrid`` has word and phone times, and the text if
    there is no other. Subfolders named by split are the splits; without a ``dev`` one is held out. The first subfolder
    below that, where there is one, is the speaker.

    Args:
        path: The folder.
        language: BCP-47, of every utterance.
        dev_share: Share of the utterances, about, that are held out if there is no ``dev``: whole speakers if there are
            enough of them.
        transcripts: Whether a transcript is read for each file; without, all texts are empty.
        encoding: Encoding of transcripts without a byte order mark, as Python names it.
    """

    transcripts: bool = True
    encoding: str = "utf-8"

    @property
    def description(self) -> str:
        if not self.transcripts:
            return f"{self.path}: audio files without transcripts: speech without text"
        audio = next((path for path in files_below(self.path, AUDIO_SUFFIXES) if transcript_files(path)), None)
        names = (
            [file.name.removeprefix(audio.stem) for file in transcript_files(audio)] if audio else ["no transcripts"]
        )
        return f"{self.path}: audio files with {' and '.join(names)} beside them"

    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: There are no audio files.
        """
        roots = split_folders(self.path)
        for split, folders in roots.items():
            if not any(has_audio(root) for root in folders):
                names = ", ".join(str(root) for root in folders)
                raise FileNotFoundError(f"{names}: no audio files ({', '.join(AUDIO_SUFFIXES)}) for split {split!r}")
        readers = {}
        for split, folders in roots.items():
            readers[split] = RowReader(partial(self._rows, folders), partial(self._keys, folders))
        return readers

    def _rows(self, folders: list[Path]) -> Iterator[Row]:
        for row in self._keys(folders):
            transcript = read_transcript(row.file, encoding=self.encoding) if self.transcripts else Transcript("")
            row.columns["text"] = transcript.text
            row.columns["words"] = transcript.words
            row.columns["phonemes"] = transcript.phonemes
            yield Row(row.file, None, row.columns, transcript.problem, row.find_audio)

    def _keys(self, folders: list[Path]) -> Iterator[Row]:
        for root in folders:
            for path in files_below(root, AUDIO_SUFFIXES):
                parts = path.relative_to(root).with_suffix("").parts
                # anna/first/1.wav is the utterance anna-first-1 of the speaker anna.
                columns = {"id": "-".join(parts), "audio": str(path), "text": ""}
                columns |= {"speaker": parts[0]} if len(parts) > 1 else {}
                yield Row(path, None, columns, find_audio=Path)


def split_folders(path: Path) -> dict[str, list[Path]]:
    """Return the folders with audio at a path by split; the folder itself is ``train`` if it has none of that name."""
    names = [folder.name for folder in sorted(path.iterdir()) if folder.is_dir()]
    folders: dict[str, list[Path]] = {}
    for name, split in splits_of(names).items():
        folders.setdefault(split, []).append(path / name)
    return folders if "train" in folders else {"train": [path]}


def has_audio(root: Path) -> bool:
    """Return whether there is any audio file below ``root``."""
    return next(files_below(root, AUDIO_SUFFIXES), None) is not None


def has_transcripts(root: Path) -> bool:
    """Return whether any audio file below ``root`` has a transcript beside it."""
    return any(transcript_files(path) for path in files_below(root, AUDIO_SUFFIXES))
