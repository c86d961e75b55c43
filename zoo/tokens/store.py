"""Tokenized corpora on disk: Arrow shards with one row for each utterance, read memory-mapped."""

import bisect
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from zoo.error_messages import one_line
from zoo.files import atomic_file
from zoo.tokens.schema import FLAT, LISTS, TextRow, TokenRow, schema
from zoo.tokens.units import Stream

ROWS_PER_SHARD = 20_000


def write_tokens(folder: Path, split: str, rows: Iterable[TokenRow | TextRow], streams: Sequence[Stream]) -> int:
    """Write the shards of one split, each complete or not at all; shards of an earlier run are removed first.

    Args:
        folder: Folder in which ``{split}-00000.arrow`` and so on are written.
        split: Name of the split, such as train.
        rows: Rows to write, of which at most ``ROWS_PER_SHARD`` are held in memory.
        streams: Streams whose raw units become columns.

    Returns:
        Number of rows that were written.
    """
    remove_shards(folder, split)
    buffer: list[TokenRow | TextRow] = []
    num_shards = 0
    num_rows = 0
    for row in rows:
        buffer.append(row)
        num_rows += 1
        if len(buffer) == ROWS_PER_SHARD:
            write_shard(folder, split, num_shards, rows_table(buffer, streams))
            num_shards += 1
            buffer = []
    if buffer:
        write_shard(folder, split, num_shards, rows_table(buffer, streams))
    return num_rows


def rows_table(rows: Sequence[TokenRow | TextRow], streams: Sequence[Stream]) -> pa.Table:
    """Convert rows to the Arrow table of a shard."""
    return pa.Table.from_pylist([row.columns() for row in rows], schema=schema(streams))


def write_shard(folder: Path, split: str, number: int, table: pa.Table) -> None:
    """Write one shard, complete or not at all, as a single record batch whose columns readers map without a copy."""
    with atomic_file(folder / f"{split}-{number:05d}.arrow") as temporary, pa.OSFile(str(temporary), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks(), max_chunksize=max(1, len(table)))


def remove_shards(folder: Path, split: str) -> None:
    """Delete the shards of one split."""
    for path in folder.glob(f"{split}-*.arrow"):
        path.unlink()


def read_table(path: Path) -> pa.Table:
    """Return the rows of an Arrow file, memory-mapped.

    Raises:
        ValueError: If the file is cut off, empty or no Arrow file.
    """
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path}: not an Arrow file, or cut off ({one_line(error)}); run the stage that tokenizes again"
        ) from error


class TokenTable:
    """The rows of one split; lists are read as views of the mapped files, without copies.

    Args:
        folder: Folder filled by a tokens stage.
        split: Name of the split, such as train, dev or test.

    Raises:
        FileNotFoundError: The folder has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        paths = sorted(folder.glob(f"{split}-*.arrow"))
        if not paths:
            splits = sorted({path.name.split("-")[0] for path in folder.glob("*-*.arrow")})
            raise FileNotFoundError(
                f"no {split!r} tokens in {folder} (it has {splits or 'none'}): run the tokens stage first"
            )
        self.shards = [_Shard(path) for path in paths]
        # For each shard, the number of rows up to its end, over all shards.
        self.ends = list(accumulate(shard.num_rows for shard in self.shards))

    def __len__(self) -> int:
        return self.ends[-1]

    def __getitem__(self, row: int) -> TokenRow:
        shard, row_in_shard = self._locate(row)
        return shard.row(row_in_shard)

    def __iter__(self) -> Iterator[TokenRow]:
        return (self[row] for row in range(len(self)))

    def array(self, row: int, column: str) -> np.ndarray:
        """Return a numeric list of one row, such as ``text_ids`` or the raw units ``Hu``, (N,).

        Raises:
            ValueError: The row does not have this list.
        """
        array = self.optional_array(row, column)
        if array is None:
            raise ValueError(f"row {row} of {self.shards[0].path.parent} has no {column}")
        return array

    def optional_array(self, row: int, column: str) -> np.ndarray | None:
        """Return a numeric list of one row, (N,), or None if the row does not have it."""
        shard, row_in_shard = self._locate(row)
        return shard.array(row_in_shard, column)

    def lengths(self, column: str) -> np.ndarray:
        """Return the length of a list column in every row, -1 in rows without the list, (num_rows,)."""
        return np.concatenate([shard.lengths(column) for shard in self.shards])

    def values(self, column: str) -> list[Any]:
        """Return all values of a column that has one value in each row, such as ``speaker``."""
        values = []
        for shard in self.shards:
            values += shard.table.column(column).to_pylist()
        return values

    def speech_rates(self) -> dict[Path, float]:
        """Return the speech tokens per second of speech of each shard; shards without speech are left out."""
        rates = {}
        for shard in self.shards:
            counts = shard.lengths("speech_ids")
            has_speech = counts > 0
            seconds = shard.table.column("duration").to_numpy()[has_speech].sum()
            if seconds > 0:
                rates[shard.path] = float(counts[has_speech].sum() / seconds)
        return rates

    def _locate(self, row: int) -> tuple["_Shard", int]:
        """Return the shard that holds a row, and the index of the row in it."""
        number = bisect.bisect_right(self.ends, row)
        start = self.ends[number - 1] if number else 0
        return self.shards[number], row - start


@dataclass(frozen=True)
class _ListColumn:
    """A list column as Arrow stores it: the concatenated lists, and the start of each.

    Args:
        offsets: Index in ``values`` where the list of each row starts, and the end, (num_rows + 1,).
        values: Concatenated lists of all rows.
        is_present: Whether each row has a list, (num_rows,).
    """

    offsets: np.ndarray
    values: np.ndarray
    is_present: np.ndarray


class _Shard:
    """One memory-mapped shard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = read_table(path)
        self.num_rows: int = self.table.num_rows
        self._list_columns: dict[str, _ListColumn] = {}

    def _list_column(self, name: str) -> _ListColumn:
        if name not in self._list_columns:
            column = self.table.column(name).combine_chunks()
            if isinstance(column, pa.ChunkedArray):
                column = column.chunk(0)
            self._list_columns[name] = _ListColumn(
                offsets=column.offsets.to_numpy(),
                values=column.values.to_numpy(),
                is_present=column.is_valid().to_numpy(zero_copy_only=False),
            )
        return self._list_columns[name]

    def array(self, row: int, name: str) -> np.ndarray | None:
        if name == "word_confidences" and name not in self.table.column_names:  # shards of earlier versions
            return None
        column = self._list_column(name)
        if not column.is_present[row]:
            return None
        return column.values[column.offsets[row] : column.offsets[row + 1]]

    def lengths(self, name: str) -> np.ndarray:
        column = self._list_column(name)
        return np.where(column.is_present, np.diff(column.offsets), -1)

    def row(self, row: int) -> TokenRow:
        columns = self.table.column_names
        units = {name: self._array_or_empty(row, name) for name in columns if name not in FLAT | LISTS}
        flat = {name: self.table.column(name)[row].as_py() for name in FLAT}
        if flat["audio"] and not os.path.isabs(flat["audio"]):  # in a corpus that moves with the tokens
            flat["audio"] = os.path.normpath(os.path.join(os.path.realpath(self.path.parent), flat["audio"]))
        return TokenRow(
            **flat,
            units=units,
            text_ids=self._array_or_empty(row, "text_ids"),
            speech_ids=self._array_or_empty(row, "speech_ids"),
            speech_times=self._array_or_empty(row, "speech_times"),
            words=self.table.column("words")[row].as_py(),
            word_ends=self.array(row, "word_ends"),
            word_text=self.array(row, "word_text"),
            word_speech=self.array(row, "word_speech"),
            word_confidences=self.array(row, "word_confidences"),
        )

    def _array_or_empty(self, row: int, name: str) -> np.ndarray:
        """Return a list of one row, empty if the row does not have it, as in texts without speech."""
        array = self.array(row, name)
        if array is None:
            column = self._list_column(name)
            return column.values[:0]
        return array
