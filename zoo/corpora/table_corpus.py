"""Corpora in tables with one utterance on each line: JSON Lines, delimited text or Parquet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.corpora.row import Row, RowReader
from zoo.corpora.row_corpus import RowCorpus
from zoo.corpora.table_files import table_files
from zoo.corpora.table_layout import TableLayout, table_layout
from zoo.corpora.table_rows import table_reader


@dataclass(frozen=True)
class TableCorpus(RowCorpus):
    """A folder with tables for ``train`` and ``dev``, perhaps ``test``; or one table.

    Tables are JSON Lines, Parquet, or text separated by commas, tabs, pipes or semicolons, with a header or without
    one as LJSpeech, Piper and VITS have them. Columns: ``audio`` (path relative to the table's folder), ``text``;
    optional ``id``, ``start`` and ``duration`` (seconds, of a part of a file), ``language``, ``speaker``, ``style``,
    ``split``, ``channel``, ``words`` and ``phonemes`` as ``[[word, start_seconds, end_seconds], ...]`` (in delimited
    text as JSON). Names that other toolkits have for them are known. Without a table ``dev``, one is held out.

    Args:
        path: The folder or the table.
        language: BCP-47, of rows without a language.
        dev_share: Share of the utterances, about, that are held out if there is no ``dev``: whole speakers if there are
            enough of them.
        columns: Name of a column in the table by the name above, where it is not a known one.
        encoding: Encoding of tables without a byte order mark, as Python names it.
    """

    columns: Mapping[str, str] | None = None
    encoding: str = "utf-8"

    @property
    def description(self) -> str:
        files = [file for files in self._files().values() for file in files]
        names = ", ".join(file.name for file in files[:4]) + (", ..." if len(files) > 4 else "")
        return f"{self.path}: {names}: {self._layout(files[0]).description}"

    def readers(self, folder: Path) -> dict[str, RowReader]:
        """Return the rows by split; audio that is inside of tables is written to ``folder / "audio"``.

        Raises:
            FileNotFoundError: There is no table.
            ValueError: A table is of no known format.
        """
        readers = {}
        for split, files in self._files().items():
            parts = []
            for file in files:
                parts.append(table_reader(file, self._layout(file), self.encoding, folder / "audio" / split))
            readers[split] = _joined(parts)
        return readers

    def _layout(self, file: Path) -> TableLayout:
        return table_layout(file, self.columns or {}, self.encoding)

    def _files(self) -> dict[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        if self.path.is_file():
            files = {"train": [self.path]}
        elif self.path.is_dir():
            files = table_files(self.path)
        if "train" not in files:
            raise FileNotFoundError(f"{self.path}: no train table; want train.jsonl, .tsv, .csv ..., or name one file")
        return files


def _joined(readers: list[RowReader]) -> RowReader:
    """Return the rows of several tables, one after the other."""
    if len(readers) == 1:
        return readers[0]

    def read() -> Iterator[Row]:
        for reader in readers:
            yield from reader.read()

    def read_keys() -> Iterator[Row]:
        for reader in readers:
            yield from reader.key_rows()

    return RowReader(read, read_keys)
