"""Sources of plain text: files, or any dataset of Hugging Face ``datasets``, read one document at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zoo.corpora.preparation import read_cuts
from zoo.corpora.text_lines import TextLine, text_lines
from zoo.corpora.utterance import to_utterance
from zoo.files import parse_json
from zoo.optional_packages import require_package

KINDS = (".txt", ".jsonl", ".txt.gz", ".jsonl.gz")
# Kinds of file whose reading may unpickle, and so run, what is in them.
PICKLING_KINDS = ("pandas", "webdataset")
CODE_SUFFIXES = (".py", ".pkl", ".pickle")


MAX_DOCUMENT_LENGTH = 1 << 27


class TextSource(Protocol):
    """Documents, which are the same in the same order at every iteration."""

    def __iter__(self) -> Iterator[str]: ...


@dataclass(frozen=True)
class TextFiles:
    """The text files of a folder, in the order of their names.

    They are ``.txt`` files with empty lines between documents or ``.jsonl`` files with one document on each line,
    gzipped or not.

    Args:
        path: A folder, searched with all folders below it, or one file.
        field: Field of each line of a ``.jsonl`` file that holds the text.
        encoding: Encoding of files without a byte order mark, as Python names it.

    Raises:
        FileNotFoundError: There is no text file.
    """

    path: Path
    field: str = "text"
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if not self.files:
            raise FileNotFoundError(f"no text in {self.path}: want files that end in {', '.join(KINDS)}")

    @property
    def files(self) -> list[Path]:
        """All files, sorted by path."""
        paths = [self.path] if self.path.is_file() else self.path.rglob("*")
        return sorted(path for path in paths if path.is_file() and path.name.endswith(KINDS))

    def __iter__(self) -> Iterator[str]:
        for path in self.files:
            lines = _readable_lines(path, self.encoding)
            if ".jsonl" in path.name:
                yield from self._json_documents(path, lines)
            else:
                yield from _paragraphs(lines, path)

    def _json_documents(self, path: Path, lines: Iterable[TextLine]) -> Iterator[str]:
        for line in lines:
            if not line.text.strip():
                continue
            try:
                document = parse_json(line.text, str(path))[self.field]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, line {line.number}: want a JSON object with a field {self.field!r}, "
                    f"got {line.text.strip()[:60]!r}"
                ) from error
            if not isinstance(document, str):
                raise ValueError(f"{path}, line {line.number}: {self.field!r} is {document!r}, want text")
            yield document


def _readable_lines(path: Path, encoding: str) -> Iterator[TextLine]:
    """Yield the lines of a file.

    Raises:
        ValueError: A line cannot be decoded, or the file is no regular text file.
    """
    for line in text_lines(path, encoding):
        if line.problem:
            raise ValueError(f"{path}, line {line.number}: {line.problem}")
        yield line


def _paragraphs(lines: Iterable[TextLine], path: Path) -> Iterator[str]:
    """Yield the texts between empty lines.

    Raises:
        ValueError: A text is too long to be one document.
    """
    document: list[str] = []
    length = 0
    for line in lines:
        if line.text.strip():
            document.append(f"{line.text}\n")
            length += len(line.text)
            if length > MAX_DOCUMENT_LENGTH:
                raise ValueError(
                    f"{path}: a text of more than {MAX_DOCUMENT_LENGTH} bytes; put empty lines between texts"
                )
        elif document:
            yield "".join(document)
            document = []
            length = 0
    if document:
        yield "".join(document)


@dataclass(frozen=True)
class Transcripts:
    """The texts of the train split of a prepared corpus.

    Args:
        corpus: Folder filled by a corpus stage.
    """

    corpus: Path

    def __iter__(self) -> Iterator[str]:
        for cut in read_cuts(self.corpus, "train"):
            text = to_utterance(cut).text
            if text:
                yield text


def texts_or_transcripts(path: Path | None, corpus: Path) -> TextSource:
    """Return the text files at a path, or the transcripts of a corpus if there is no path.

    Args:
        path: A folder of text files, or one file, as for ``TextFiles``.
        corpus: Folder filled by a corpus stage.

    Raises:
        FileNotFoundError: There is no text file at the path.
    """
    return Transcripts(corpus) if path is None else TextFiles(path)


@dataclass(frozen=True)
class HuggingFaceTexts:
    """A dataset of Hugging Face ``datasets``, streamed, so that it is never in memory as a whole.

    Args:
        path: Name on the hub, a folder, or a kind of file such as ``json`` or ``parquet``.
        name: Name of the configuration.
        split: Split of the dataset.
        field: Column that holds the text.
        files: Data files, if ``path`` is a kind of file.

    Raises:
        ValueError: ``path`` or one of ``files`` is code or pickles, or ``datasets`` is not installed.
    """

    path: str
    name: str | None = None
    split: str = "train"
    field: str = "text"
    files: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for place in (self.path, *(self.files or ())):
            if place in PICKLING_KINDS or place.lower().endswith(CODE_SUFFIXES):
                raise ValueError(
                    f"{place!r} is read by running code or unpickling; write the texts as .jsonl or .parquet, "
                    "and name json or parquet"
                )
        require_package("datasets", f"path={self.path!r}", "datasets")

    def __iter__(self) -> Iterator[str]:
        # Imported here since it is slow, and an extra.
        from datasets import load_dataset

        rows = load_dataset(
            self.path,
            self.name,
            split=self.split,
            data_files=None if self.files is None else list(self.files),
            streaming=True,
        )
        for row in rows:
            if self.field not in row:
                raise ValueError(f"dataset {self.path!r} has no column {self.field!r}; it has {', '.join(row)}")
            yield row[self.field]
