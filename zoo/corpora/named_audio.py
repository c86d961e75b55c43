"""The audio files that a table or a manifest names, whatever its form, found without a check of its rows."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.corpora.audio_paths import AudioPaths
from zoo.corpora.lhotse_manifests import manifest_kind
from zoo.corpora.source import AUDIO_SUFFIXES
from zoo.corpora.table_corpus import TableCorpus
from zoo.corpora.table_layout import TABLE_SUFFIXES
from zoo.corpora.text_lines import text_lines
from zoo.files import parse_json

JSON_SUFFIXES = (".jsonl", ".jsonl.gz", ".json")


def named_audio(path: Path) -> Iterator[Path]:
    """Yield the audio files that exist and are named in a table, a manifest or a suite, each as often as it is named.

    Args:
        path: Any file; there are none if it is no table.
    """
    try:
        if path.name.endswith(JSON_SUFFIXES) or manifest_kind(path):
            yield from _in_json(path)
        elif path.name.endswith(TABLE_SUFFIXES):
            yield from _in_table(path)
    except (ValueError, OSError):
        return  # reported by the stage that reads the file


def _in_json(path: Path) -> Iterator[Path]:
    paths = AudioPaths(path.parent)
    for line in text_lines(path):
        if line.problem or not line.text.strip():
            continue
        for text in _texts(parse_json(line.text, str(path))):
            if text.lower().endswith(AUDIO_SUFFIXES) and "\0" not in text:
                audio = paths.find(text)
                if audio is not None:
                    yield audio


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value of JSON, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _in_table(path: Path) -> Iterator[Path]:
    for row in TableCorpus(path).readers(path.parent)["train"].key_rows():
        if isinstance(row.columns.get("audio"), str) and row.columns["audio"] and row.problem is None:
            audio = row.audio_path()
            if os.path.isfile(audio):
                yield audio
