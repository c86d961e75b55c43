"""LibriSpeech as published: one file of transcripts for each chapter."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zoo.corpora.audio_paths import AudioPaths
from zoo.corpora.folder_walk import files_below
from zoo.corpora.row import Row, RowReader
from zoo.corpora.row_corpus import RowCorpus
from zoo.corpora.split_names import splits_of
from zoo.corpora.text_lines import text_lines

SUFFIX = ".trans.txt"


@dataclass(frozen=True)
class LibriSpeechCorpus(RowCorpus):
    """LibriSpeech, or another corpus in its layout: ``train-clean-100/103/1240/103-1240.trans.txt`` and FLAC files.

    Args:
        path: The folder with ``train-clean-100`` and others, or one of them.
        language: BCP-47, of every utterance.
        dev_share: Approximate share of the utterances that is held out if there is no dev folder.
    """

    @property
    def description(self) -> str:
        names = [folder.name for folders in self._folders().values() for folder in folders]
        return f"{self.path}: LibriSpeech layout, transcripts by chapter in *{SUFFIX} ({', '.join(names)})"

    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split; nothing is written to ``folder``."""
        return {split: RowReader(partial(_rows, folders)) for split, folders in self._folders().items()}

    def _folders(self) -> dict[str, list[Path]]:
        folders: dict[str, list[Path]] = {}
        names = [folder.name for folder in sorted(self.path.iterdir()) if folder.is_dir()]
        for name, split in splits_of(names).items():
            if is_librispeech(self.path / name):
                folders.setdefault(split, []).append(self.path / name)
        return folders if "train" in folders else {"train": [self.path]}


def is_librispeech(path: Path) -> bool:
    """Return whether there are transcripts by chapter below a folder."""
    return next(files_below(path, (SUFFIX,)), None) is not None


def _rows(folders: list[Path]) -> Iterator[Row]:
    for folder in folders:
        for transcripts in files_below(folder, (SUFFIX,)):
            paths = AudioPaths(transcripts.parent)
            for line in text_lines(transcripts):
                if not line.text.strip() and not line.problem:
                    continue
                utterance, _, text = line.text.strip().partition(" ")
                columns = {"id": utterance, "audio": utterance, "text": text, "speaker": utterance.split("-")[0]}
                yield Row(transcripts, line.number, columns, line.problem, paths)
