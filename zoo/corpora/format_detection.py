"""Telling what kind of corpus stands at a path."""

from pathlib import Path

from zoo.corpora.folder_corpus import FolderCorpus, has_audio
from zoo.corpora.lhotse_corpus import LhotseCorpus, manifest_kind, manifests
from zoo.corpora.source import AUDIO_SUFFIXES, Source
from zoo.corpora.table_corpus import TABLE_SUFFIXES, TableCorpus, split_tables


def open_corpus(path: Path, language: str = "en") -> Source:
    """Return the source that reads what stands at ``path``: tables, Lhotse manifests, or audio files.

    Args:
        path: A folder; or one table or manifest.
        language: BCP-47, of utterances that name none.

    Raises:
        FileNotFoundError: Nothing is there, or nothing that is a corpus.
        ValueError: A file of another kind.
    """
    path = Path(path)
    if path.is_file():
        return _open_file(path, language)
    if not path.is_dir():
        near = ", ".join(sorted(p.name for p in path.parent.iterdir())[:10]) if path.parent.is_dir() else ""
        raise FileNotFoundError(f"{path}: no such corpus" + (f"; {path.parent} has {near}" if near else ""))
    tables = split_tables(path)
    if tables and all(manifest_kind(table) is None for table in tables.values()):
        return TableCorpus(path, language)
    if manifests(path):
        return LhotseCorpus(path, language)
    if has_audio(path):
        return FolderCorpus(path, language)
    other = sorted(p.name for p in path.iterdir() if p.name.endswith(TABLE_SUFFIXES))
    hint = f"; to read {other[0]}, name that file" if other else ""
    raise FileNotFoundError(
        f"{path}: no corpus; want train.jsonl or train.tsv, Lhotse manifests, or audio ({', '.join(AUDIO_SUFFIXES)}){hint}"
    )


def open_corpus_or_demo(path: Path | None, demo: Source, language: str = "en") -> Source:
    """Return the source of what stands at ``path``; the demo corpus where no path is given.

    Args:
        path: As for ``open_corpus``; None for none.
        demo: Made instead.
        language: BCP-47, of utterances that name none.
    """
    return demo if path is None else open_corpus(path, language)


def _open_file(path: Path, language: str) -> Source:
    if manifest_kind(path):
        return LhotseCorpus(path, language)
    if path.name.endswith(TABLE_SUFFIXES):
        return TableCorpus(path, language)
    raise ValueError(f"{path}: not a corpus; want a folder, a table or a manifest ({', '.join(TABLE_SUFFIXES)})")
