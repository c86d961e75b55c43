"""Detection of the kind of corpus at a path."""

from pathlib import Path

from zoo.corpora.fairseq import FairseqCorpus, fairseq_manifests, is_fairseq_manifest
from zoo.corpora.folder_corpus import FolderCorpus, has_audio, has_transcripts
from zoo.corpora.kaldi import KaldiCorpus, kaldi_folders
from zoo.corpora.lhotse_corpus import LhotseCorpus
from zoo.corpora.lhotse_manifests import manifest_kind, manifests
from zoo.corpora.librispeech import LibriSpeechCorpus, is_librispeech
from zoo.corpora.other_formats import contents, other_format
from zoo.corpora.source import AUDIO_SUFFIXES, Source
from zoo.corpora.table_corpus import TableCorpus
from zoo.corpora.table_files import other_tables, table_files
from zoo.corpora.table_layout import TABLE_SUFFIXES
from zoo.corpora.vctk import VctkCorpus, is_vctk
from zoo.files import is_special


def open_corpus(path: Path, language: str = "en", encoding: str = "utf-8") -> Source:
    """Return the source for the corpus at a path: tables, manifests, audio files and other formats of docs/corpora.md.

    Args:
        path: A folder, or one table or manifest.
        language: BCP-47, of utterances without a language.
        encoding: Encoding of tables and transcripts without a byte order mark, as Python names it.

    Raises:
        FileNotFoundError: There is nothing at the path, or no corpus.
        ValueError: The path is a file of another kind, or a table that cannot be read.
    """
    path = Path(path)
    if path.is_file():
        source = _open_file(path, language, encoding)
    elif is_special(path) and not path.is_dir():
        raise ValueError(f"{path} is not a regular file; name a folder, a table or a manifest")
    elif not path.is_dir():
        raise FileNotFoundError(f"{path}: no such corpus{_neighbors(path)}")
    else:
        source = _open_folder(path, language, encoding)
    _ = source.description  # reads the head of its tables, whose errors are raised here
    return source


def _open_folder(path: Path, language: str, encoding: str) -> Source:
    if kaldi_folders(path).get("train"):
        return KaldiCorpus(path, language)
    if fairseq_manifests(path).get("train"):
        return FairseqCorpus(path, language)
    if table_files(path).get("train"):
        return TableCorpus(path, language, encoding=encoding)
    if manifests(path):
        return LhotseCorpus(path, language)
    if not has_audio(path):
        tables = other_tables(path)
        hint = f"; to read {tables[0].name}, name that file" if tables else ""
        raise FileNotFoundError(
            f"{path}: no corpus, it has {contents(path)}; want train.jsonl, .tsv or .csv, Lhotse manifests, "
            f"or audio ({', '.join(AUDIO_SUFFIXES)}); see docs/corpora.md{hint}"
        )
    if is_librispeech(path):
        return LibriSpeechCorpus(path, language)
    if is_vctk(path):
        return VctkCorpus(path, language)
    if has_transcripts(path):
        return FolderCorpus(path, language, encoding=encoding)
    problem = other_format(path)
    if problem:
        raise ValueError(f"{path}: {problem}")
    return FolderCorpus(path, language, transcripts=False)


def _neighbors(path: Path) -> str:
    """Return what else is in the folder of a missing path, for its message."""
    return f"; {path.parent} has {contents(path.parent)}" if path.parent.is_dir() else ""


def open_corpus_or_demo(path: Path | None, demo: Source, language: str = "en", encoding: str = "utf-8") -> Source:
    """Return the source for the corpus at a path, or the demo corpus if no path is given.

    Args:
        path: Path as for ``open_corpus``, or None.
        demo: Corpus that is used without a path.
        language: BCP-47, of utterances without a language.
        encoding: Encoding of tables and transcripts without a byte order mark, as Python names it.
    """
    return demo if path is None else open_corpus(path, language, encoding)


def _open_file(path: Path, language: str, encoding: str) -> Source:
    if manifest_kind(path):
        return LhotseCorpus(path, language)
    if is_fairseq_manifest(path):
        return FairseqCorpus(path, language)
    if path.name.endswith(TABLE_SUFFIXES):
        return TableCorpus(path, language, encoding=encoding)
    raise ValueError(f"{path}: not a corpus; want a folder, a table or a manifest ({', '.join(TABLE_SUFFIXES)})")
