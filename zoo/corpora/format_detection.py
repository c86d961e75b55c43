"""Detection of the kind of corpus at a path."""

from pathlib import Path

from zoo.corpora.folder_corpus import FolderCorpus, has_audio
from zoo.corpora.lhotse_corpus import LhotseCorpus, manifest_kind, manifests
from zoo.corpora.source import AUDIO_SUFFIXES, Source
from zoo.corpora.table_corpus import TABLE_SUFFIXES, TableCorpus, split_tables


def open_corpus(path: Path, language: str = "en") -> Source:
    """Return the source for the corpus at a path: tables, Lhotse manifests, or audio files.

    Args:
        path: A folder, or one table or manifest.
        language: BCP-47, of utterances without a language.

    Raises:
        FileNotFoundError: There is nothing at the path, or no corpus.
        ValueError: The path is a file of another kind.
    """
    path = Path(path)
    if path.is_file():
        return _open_file(path, language)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such corpus{_neighbors(path)}")
    tables = split_tables(path)
    if tables and all(manifest_kind(table) is None for table in tables.values()):
        return TableCorpus(path, language)
    if manifests(path):
        return LhotseCorpus(path, language)
    if has_audio(path):
        return FolderCorpus(path, language)
    other_tables = sorted(file.name for file in path.iterdir() if file.name.endswith(TABLE_SUFFIXES))
    hint = f"; to read {other_tables[0]}, name that file" if other_tables else ""
    raise FileNotFoundError(
        f"{path}: no corpus; want train.jsonl or train.tsv, Lhotse manifests, "
        f"or audio ({', '.join(AUDIO_SUFFIXES)}){hint}"
    )


def _neighbors(path: Path) -> str:
    """Return what else is in the folder of a missing path, for its message."""
    if not path.parent.is_dir():
        return ""
    names = sorted(neighbor.name for neighbor in path.parent.iterdir())
    return f"; {path.parent} has {', '.join(names[:10])}" if names else ""


def open_corpus_or_demo(path: Path | None, demo: Source, language: str = "en") -> Source:
    """Return the source for the corpus at a path, or the demo corpus if no path is given.

    Args:
        path: Path as for ``open_corpus``, or None.
        demo: Corpus that is used without a path.
        language: BCP-47, of utterances without a language.
    """
    return demo if path is None else open_corpus(path, language)


def _open_file(path: Path, language: str) -> Source:
    if manifest_kind(path):
        return LhotseCorpus(path, language)
    if path.name.endswith(TABLE_SUFFIXES):
        return TableCorpus(path, language)
    raise ValueError(f"{path}: not a corpus; want a folder, a table or a manifest ({', '.join(TABLE_SUFFIXES)})")
