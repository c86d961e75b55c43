"""Which files of a folder are the tables of its splits."""

from pathlib import Path

from zoo.corpora.lhotse_manifests import manifest_kind, manifests
from zoo.corpora.split_names import SPLITS, splits_of
from zoo.corpora.table_layout import TABLE_SUFFIXES

METADATA = "metadata"
# Folders beside the audio that hold lists: those of VITS, and of Parquet files of Hugging Face.
LIST_FOLDERS = ("filelists", "data")


def table_files(folder: Path) -> dict[str, list[Path]]:
    """Return the tables of a folder by split; a single table is ``train``.

    They are the tables named by a split, or else ``metadata`` in the folder or in one folder a split, or the only
    table. Where there are several formats of the same table, the first of ``TABLE_SUFFIXES`` is read.
    """
    for place in (folder, *(folder / name for name in LIST_FOLDERS)):
        files = _by_split(_tables(place))
        if "train" in files:
            return files
    tables = _tables(folder)
    metadata = [path for path in tables if _stem(path) == METADATA]
    if metadata:
        return {"train": metadata[:1]}
    files = _metadata_of_splits(folder)
    if "train" in files:
        return files
    if manifests(folder):
        return {}
    lists = [path for path in tables if path.suffix not in (".txt", ".json")]
    return {"train": lists} if len(lists) == 1 else {}


def other_tables(folder: Path) -> list[Path]:
    """Return all files of a folder that may be tables."""
    return [path for path in _tables(folder) if path.suffix != ".txt"]


def _by_split(tables: list[Path]) -> dict[str, list[Path]]:
    split_of_name = splits_of(_stem(path) for path in tables)
    files: dict[str, list[Path]] = {}
    for path in tables:
        if _stem(path) in split_of_name:
            files.setdefault(split_of_name[_stem(path)], []).append(path)
    return {split: _same_format(files[split], split) for split in SPLITS if split in files}


def _same_format(tables: list[Path], split: str) -> list[Path]:
    """Return the table that is named as the split, or else all tables of the first format."""
    for suffix in TABLE_SUFFIXES:
        tables_of_format = [path for path in tables if path.name.endswith(suffix)]
        named = [path for path in tables_of_format if _stem(path).lower() == split]
        if named:
            return named
        if tables_of_format:
            return tables_of_format
    return tables


def _metadata_of_splits(folder: Path) -> dict[str, list[Path]]:
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    split_of_name = splits_of(path.name for path in folders)
    files: dict[str, list[Path]] = {}
    for path in folders:
        metadata = [table for table in _tables(path) if _stem(table) == METADATA]
        if path.name in split_of_name and metadata:
            files.setdefault(split_of_name[path.name], []).append(metadata[0])
    return files


def _tables(folder: Path) -> list[Path]:
    """Return the files of a folder that may be tables, in the order of formats and names."""
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    tables = []
    for suffix in TABLE_SUFFIXES:
        for path in files:
            if path.name.endswith(suffix) and _is_table(path):
                tables.append(path)
    return tables


def _is_table(path: Path) -> bool:
    if path.suffix == ".txt":
        return _is_list(path)
    return manifest_kind(path) is None if ".jsonl" in path.name else True


def _is_list(path: Path) -> bool:
    """Return whether a text file is a list with pipes or tabs, not a transcript."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16)
    except OSError:
        return False
    return b"|" in first or b"\t" in first


def _stem(path: Path) -> str:
    for suffix in TABLE_SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.stem
