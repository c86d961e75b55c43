"""Paths of audio that moves together with a run: written relative to the folder that names it."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

MARKER = "corpus.json"  # in the folder of a prepared corpus


def portable(path: str, folder: Path) -> str:
    """Return a path relative to a folder if it lies in the folder, or in a prepared corpus beside it.

    Args:
        path: Path of an audio file; any other is returned as it is, and so is an empty one.
        folder: Folder that names the file, such as a prepared corpus or tokens.
    """
    root = _absolute(folder)
    if not os.path.isabs(path):
        return path
    if path.startswith(f"{root}/"):
        return os.path.relpath(path, root)
    above = os.path.dirname(root)
    if path.startswith(f"{above}/"):
        beside = os.path.join(above, path[len(above) + 1 :].split("/", 1)[0])
        if _is_prepared(beside):
            return os.path.relpath(path, root)
    return path


def located(path: str, folder: Path) -> str:
    """Return the absolute path of what :func:`portable` returned for a folder; an empty path stays empty."""
    if not path or os.path.isabs(path):
        return path
    return os.path.normpath(os.path.join(_absolute(folder), path))


def make_portable(cut: dict[str, Any], folder: Path) -> None:
    """Replace the paths of the audio of a cut, in the form of JSON, by portable ones."""
    for source in _file_sources(cut):
        source["source"] = portable(source["source"], folder)


def locate_audio(item: Any, folder: Path) -> None:
    """Replace the relative paths in an item of a manifest by absolute ones, if there are such files below its folder.

    Args:
        item: Cut or recording in the form of JSON.
        folder: Folder of the manifest.
    """
    for source in _file_sources(item):
        path = located(source["source"], folder)
        if path != source["source"] and os.path.isfile(path):
            source["source"] = path


def _file_sources(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping, at any depth, that is an audio source of Lhotse with the path of a file."""
    if isinstance(value, dict):
        if value.get("type") == "file" and isinstance(value.get("source"), str):
            yield value
        for key, inner in value.items():
            if key != "supervisions":
                yield from _file_sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _file_sources(inner)


@lru_cache(maxsize=64)
def _absolute(folder: Path) -> str:
    return os.path.realpath(folder)


@lru_cache(maxsize=64)
def _is_prepared(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, MARKER))
