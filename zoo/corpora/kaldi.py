"""Kaldi data folders: wav.scp with text, utt2spk, segments and utt2lang."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zoo.corpora.audio_paths import AudioPaths
from zoo.corpora.row import Row, RowReader
from zoo.corpora.row_corpus import RowCorpus
from zoo.corpora.split_names import splits_of
from zoo.corpora.text_lines import text_lines

RECORDINGS = "wav.scp"


@dataclass(frozen=True)
class KaldiCorpus(RowCorpus):
    """A Kaldi data folder, or a folder of them by split.

    ``wav.scp`` has the files of the recordings. Commands in it, which end in a pipe, are not run: such recordings are
    unusable. ``text``, ``utt2spk``, ``utt2lang`` and ``wav.scp`` are held in memory.

    Args:
        path: A folder with ``wav.scp``, or with folders that are named by split and have one each.
        language: BCP-47, of utterances without a language.
        dev_share: Approximate share of the utterances that is held out if there is no dev folder.
    """

    @property
    def description(self) -> str:
        folder = next(iter(kaldi_folders(self.path).values()))[0]
        files = [name for name in (RECORDINGS, "segments", "text", "utt2spk", "utt2lang") if (folder / name).is_file()]
        without = "" if "text" in files else "; speech without text"
        return f"{self.path}: Kaldi data folder ({', '.join(files)}){without}"

    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split; nothing is written to ``folder``.

        Raises:
            FileNotFoundError: There is no ``wav.scp``.
        """
        folders = kaldi_folders(self.path)
        if "train" not in folders:
            raise FileNotFoundError(
                f"{self.path}: no {RECORDINGS}, in it or in a folder train; want a Kaldi data folder"
            )
        return {split: RowReader(partial(_rows, paths, self.path)) for split, paths in folders.items()}


def kaldi_folders(path: Path) -> dict[str, list[Path]]:
    """Return the Kaldi data folders at a path by split; a single one is ``train``."""
    if (path / RECORDINGS).is_file():
        return {"train": [path]}
    folders = [folder for folder in sorted(path.iterdir()) if (folder / RECORDINGS).is_file()]
    found: dict[str, list[Path]] = {}
    for name, split in splits_of(folder.name for folder in folders).items():
        found.setdefault(split, []).append(path / name)
    return found


def _rows(folders: list[Path], root: Path) -> Iterator[Row]:
    for folder in folders:
        yield from _folder_rows(folder, root)


def _folder_rows(folder: Path, root: Path) -> Iterator[Row]:
    texts = _values(folder / "text")
    speakers = _values(folder / "utt2spk") or {}
    languages = _values(folder / "utt2lang") or {}
    # Paths are relative to where Kaldi was run, which is the folder of the corpus or one above it.
    paths = AudioPaths(folder)
    above = AudioPaths(root if folder != root else folder.parent)
    for row in _sections(folder):
        utterance = row.columns["id"]
        row.columns["text"] = "" if texts is None else texts.get(utterance)
        row.columns["speaker"] = speakers.get(utterance)
        row.columns["language"] = languages.get(utterance)
        problem = row.problem
        if problem is None and texts is not None and utterance not in texts:
            problem = f"utterance {utterance} is not in {folder.name}/text"
        yield Row(row.file, row.line, row.columns, problem, partial(_find, paths, above))


def _find(paths: AudioPaths, above: AudioPaths, audio: str) -> Path:
    return paths.find(audio) or above.find(audio) or paths.folder / audio


def _sections(folder: Path) -> Iterator[Row]:
    """Yield the utterances with their audio: those of ``segments``, or all recordings."""
    file = folder / RECORDINGS
    if not (folder / "segments").is_file():
        for line in text_lines(file):
            key, value = _key_and_value(line.text)
            if key or line.problem:
                problem = line.problem or _audio_problem(value)
                yield Row(file, line.number, {"id": key, "audio": value}, problem)
        return
    recordings = _values(file) or {}
    file = folder / "segments"
    for line in text_lines(file):
        cells = line.text.split()
        if not cells and not line.problem:
            continue
        columns = {"id": cells[0] if cells else ""}
        problem = line.problem
        if problem is None and len(cells) < 4:
            problem = f"{len(cells)} cells, want utterance, recording, start and end"
        if problem is None:
            columns |= {"audio": recordings.get(cells[1], ""), "start": cells[2]}
            # An end of -1 is the end of the recording.
            columns |= {"end": cells[3]} if cells[3] != "-1" else {}
            is_known = cells[1] in recordings
            problem = _audio_problem(columns["audio"]) if is_known else f"no recording {cells[1]} in {RECORDINGS}"
        yield Row(file, line.number, columns, problem)


def _audio_problem(audio: str) -> str | None:
    """Return why an entry of ``wav.scp`` is not the path of an audio file."""
    if audio.endswith("|") or audio.startswith("|"):
        return f"a command ({audio[:60]!r}), which is not run; write the audio to files and name them in {RECORDINGS}"
    if ".ark:" in audio:
        return f"a place in an archive ({audio[:60]!r}); write the audio to files: wav-copy scp:{RECORDINGS} ..."
    return None


def _values(file: Path) -> dict[str, str] | None:
    """Return the rest of each line by its first word; None if there is no such file."""
    if not file.is_file():
        return None
    values = {}
    for line in text_lines(file):
        if line.problem is None and line.text.strip():
            key, value = _key_and_value(line.text)
            values[key] = value
    return values


def _key_and_value(line: str) -> tuple[str, str]:
    """Return the first word of a line and its rest, which a space or a tab separates."""
    cells = line.split(maxsplit=1)
    return cells[0] if cells else "", cells[1].strip() if len(cells) > 1 else ""
