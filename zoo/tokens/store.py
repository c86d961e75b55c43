"""Tokenized corpora on disk: Arrow shards, one row an utterance, read memory-mapped."""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from zoo.files import atomic_file
from zoo.tokens.units import Stream

ROWS_PER_SHARD = 20_000
FLAT = {
    "id": pa.string(),
    "audio": pa.string(),
    "start": pa.float64(),
    "duration": pa.float64(),
    "text": pa.string(),
    "language": pa.string(),
    "speaker": pa.string(),
    "style": pa.string(),
}
LISTS = {
    "text_ids": pa.int32(),
    "speech_ids": pa.int32(),
    "speech_times": pa.float32(),
    "words": pa.string(),
    "word_ends": pa.float32(),
    "word_text": pa.int32(),
    "word_speech": pa.int32(),
}


@dataclass(frozen=True)
class TokenRow:
    """One tokenized utterance.

    Args:
        audio: File it was read from.
        start: Seconds into the file.
        duration: Seconds.
        units: Raw units (T,) by prefix, one a frame, not deduplicated.
        text_ids: Vocabulary ids of the text, (L,).
        speech_ids: Vocabulary ids of the merged, deduplicated units, (N,).
        speech_times: Start of each speech token in seconds, (N,).
        words: The aligned words; None where no alignment is known.
        word_ends: End of each word in seconds, (words,).
        word_text: Where each word starts in ``text_ids``, and the end, (words + 1,).
        word_speech: Where each word starts in ``speech_ids``, and the end, (words + 1,).
    """

    id: str
    audio: str
    start: float
    duration: float
    text: str
    language: str
    speaker: str
    style: str | None
    units: dict[str, np.ndarray] = field(repr=False)
    text_ids: np.ndarray = field(repr=False)
    speech_ids: np.ndarray = field(repr=False)
    speech_times: np.ndarray = field(repr=False)
    words: list[str] | None = field(repr=False, default=None)
    word_ends: np.ndarray | None = field(repr=False, default=None)
    word_text: np.ndarray | None = field(repr=False, default=None)
    word_speech: np.ndarray | None = field(repr=False, default=None)


def schema(streams: Sequence[Stream]) -> pa.Schema:
    lists = LISTS | {stream.prefix: pa.int32() for stream in streams}
    return pa.schema([*FLAT.items(), *((name, pa.list_(kind)) for name, kind in lists.items())])


def write_tokens(folder: Path, split: str, rows: Iterable[TokenRow], streams: Sequence[Stream]) -> int:
    """Write the shards of one split, each whole or not at all, and return the number of rows; those of before are removed."""
    remove_shards(folder, split)
    buffer, shard, total = [], 0, 0
    for row in rows:
        buffer.append(row)
        if len(buffer) == ROWS_PER_SHARD:
            write_shard(folder, split, shard, rows_table(buffer, streams))
            buffer, shard, total = [], shard + 1, total + len(buffer)
    if buffer:
        write_shard(folder, split, shard, rows_table(buffer, streams))
    return total + len(buffer)


def rows_table(rows: Sequence[TokenRow], streams: Sequence[Stream]) -> pa.Table:
    """Rows as they stand in a shard."""
    columns = [{**{k: v for k, v in vars(row).items() if k != "units"}, **row.units} for row in rows]
    return pa.Table.from_pylist(columns, schema=schema(streams))


def write_shard(folder: Path, split: str, number: int, table: pa.Table) -> None:
    """Write one shard, whole or not at all, as a single batch: readers map its columns without a copy."""
    with atomic_file(folder / f"{split}-{number:05d}.arrow") as temporary, pa.OSFile(str(temporary), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks(), max_chunksize=max(1, len(table)))


def remove_shards(folder: Path, split: str) -> None:
    for stale in folder.glob(f"{split}-*.arrow"):
        stale.unlink()


class TokenTable:
    """The rows of one split; lists are read as views of the mapped files, without copies.

    Args:
        folder: Filled by a tokens stage.
        split: Such as train, dev or test.

    Raises:
        FileNotFoundError: Where the folder has no such split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        paths = sorted(folder.glob(f"{split}-*.arrow"))
        if not paths:
            there = sorted({p.name.split("-")[0] for p in folder.glob("*-*.arrow")})
            raise FileNotFoundError(
                f"no {split!r} tokens in {folder} (it has {there or 'none'}): run the tokens stage first"
            )
        self.shards = [_Shard(path) for path in paths]
        self.ends = list(accumulate(shard.num_rows for shard in self.shards))

    def __len__(self) -> int:
        return self.ends[-1]

    def array(self, row: int, column: str) -> np.ndarray | None:
        """One list of numbers, such as ``text_ids`` or the raw units ``Hu``, (N,); None where it is absent."""
        shard = bisect.bisect_right(self.ends, row)
        return self.shards[shard].array(row - (self.ends[shard - 1] if shard else 0), column)

    def lengths(self, column: str) -> np.ndarray:
        """Length of that list in every row, (rows,); -1 where it is absent."""
        return np.concatenate([shard.lengths(column) for shard in self.shards])

    def values(self, column: str) -> list[Any]:
        """A whole flat column, such as ``speaker``."""
        return [value for shard in self.shards for value in shard.table.column(column).to_pylist()]

    def speech_rates(self) -> dict[Path, float]:
        """Speech tokens per second of speech, by shard; shards without speech are left out."""
        rates = {}
        for shard in self.shards:
            counts = shard.lengths("speech_ids")
            seconds = shard.table.column("duration").to_numpy()[counts > 0].sum()
            if seconds > 0:
                rates[shard.path] = float(counts[counts > 0].sum() / seconds)
        return rates

    def __getitem__(self, row: int) -> TokenRow:
        shard = bisect.bisect_right(self.ends, row)
        return self.shards[shard].row(row - (self.ends[shard - 1] if shard else 0))

    def __iter__(self) -> Iterator[TokenRow]:
        return (self[row] for row in range(len(self)))


class _Shard:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        self.num_rows = self.table.num_rows
        self.lists: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def _list(self, column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if column not in self.lists:
            chunk = self.table.column(column).combine_chunks()
            chunk = chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk
            present = chunk.is_valid().to_numpy(zero_copy_only=False)
            self.lists[column] = (chunk.offsets.to_numpy(), chunk.values.to_numpy(), present)
        return self.lists[column]

    def array(self, row: int, column: str) -> np.ndarray | None:
        offsets, values, present = self._list(column)
        return values[offsets[row] : offsets[row + 1]] if present[row] else None

    def lengths(self, column: str) -> np.ndarray:
        offsets, _, present = self._list(column)
        return np.where(present, np.diff(offsets), -1)

    def row(self, row: int) -> TokenRow:
        flat = {name: self.table.column(name)[row].as_py() for name in [*FLAT, "words"]}
        lists = {name: self.array(row, name) for name in LISTS if name != "words"}
        units = {name: self.array(row, name) for name in self.table.column_names if name not in FLAT | LISTS}
        return TokenRow(**flat, **lists, units=units)
