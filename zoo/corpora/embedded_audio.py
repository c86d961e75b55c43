"""Parquet tables of Hugging Face, with the bytes of the audio files inside."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from zoo.corpora.audio_paths import AudioPaths
from zoo.corpora.row import Row
from zoo.error_messages import one_line
from zoo.files import atomic_file, is_special

BATCH_ROWS = 32
MAGIC_SUFFIXES = {
    b"RIFF": ".wav",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff\xfb": ".mp3",
    b"FORM": ".aiff",
}


def read_parquet(path: Path, columns: Mapping[str, str], audio_folder: Path | None) -> Iterator[Row]:
    """Yield the rows of a table, with the bytes of their audio written to files.

    Args:
        path: The table.
        columns: Names in the table by our name; the audio is a path, or ``{bytes, path}``.
        audio_folder: Folder that the audio files are written to; None if only the labels are read.

    Raises:
        ValueError: The file is damaged.
    """
    if is_special(path):
        raise ValueError(f"{path} is not a regular file; name a table")
    paths = AudioPaths(path.parent)
    number = 0
    try:
        with parquet.ParquetFile(path, memory_map=True) as table:
            for batch in table.iter_batches(BATCH_ROWS, columns=_columns(table.schema_arrow, columns, audio_folder)):
                for values in batch.to_pylist():
                    number += 1
                    yield _row(path, number, values, columns, audio_folder, paths)
    except (pa.ArrowException, OSError) as error:
        reason = one_line(error)
        raise ValueError(f"{path}: damaged after row {number} ({reason}); download it again") from error


def _columns(schema: pa.Schema, columns: Mapping[str, str], audio_folder: Path | None) -> list[str]:
    """Return the columns to read; without audio, only the path in it."""
    names = []
    for ours, theirs in columns.items():
        is_struct = ours == "audio" and pa.types.is_struct(schema.field(theirs).type)
        names.append(f"{theirs}.path" if is_struct and audio_folder is None else theirs)
    return names


def _row(
    path: Path,
    number: int,
    values: dict[str, Any],
    columns: Mapping[str, str],
    audio_folder: Path | None,
    paths: AudioPaths,
) -> Row:
    labels = {"text": "", **{ours: values[theirs] for ours, theirs in columns.items()}}
    audio = labels["audio"]
    if not isinstance(audio, dict):
        return Row(path, number, labels, find_audio=paths)
    name = audio.get("path") or f"{path.stem}-{number:06d}"
    labels["audio"] = name
    if audio_folder is None:
        return Row(path, number, labels, find_audio=lambda name: path)
    content = audio.get("bytes")
    if content is None:
        return Row(path, number, labels, find_audio=paths)
    file = _written(content, f"{path.stem}-{number:06d}", audio_folder)
    return Row(path, number, labels, find_audio=lambda name: file)


def _written(content: bytes, name: str, folder: Path) -> Path:
    """Write the bytes of an audio file, unless the same are there."""
    suffix = next((suffix for magic, suffix in MAGIC_SUFFIXES.items() if content.startswith(magic)), ".audio")
    digest = hashlib.blake2b(content, digest_size=6).hexdigest()
    path = folder / f"{name}-{digest}{suffix}"
    if not path.is_file():
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
    return path
