"""Lhotse manifests in JSON Lines that are read lazily, whatever is in them."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lhotse.serialization import deserialize_item

from zoo.corpora.portable_paths import locate_audio
from zoo.error_messages import one_line
from zoo.files import is_special, limited_lines, parse_json

MANIFEST_SUFFIXES = (".jsonl", ".jsonl.gz")


def manifests(path: Path) -> dict[Path, str]:
    """Return the kind of each Lhotse manifest in a folder, or of a single file, by path; other files are left out."""
    files = [path] if path.is_file() else sorted(path.iterdir())
    kinds = {}
    for file in files:
        is_hidden = file.name.startswith(".") and file != path
        if is_hidden or not file.name.endswith(MANIFEST_SUFFIXES) or not file.is_file():
            continue
        kind = manifest_kind(file)
        if kind:
            kinds[file] = kind
    return kinds


def manifest_kind(path: Path) -> str | None:
    """Return ``cuts``, ``recordings`` or ``supervisions`` by the first line of a file; None if it is no manifest."""
    if is_special(path):
        return None
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rt", encoding="utf-8") as file:
            lines = limited_lines(file, str(path))
            first = parse_json(next((line for line in lines if line.strip()), "null"), str(path))
    except (OSError, EOFError, zlib.error, ValueError):
        return None
    if not isinstance(first, dict):
        return None
    if first.get("type") in ("MonoCut", "MultiCut", "MixedCut", "PaddingCut"):
        return "cuts"
    if "sources" in first:
        return "recordings"
    return "supervisions" if "recording_id" in first else None


class LazyManifest:
    """The items of a manifest, read anew at every iteration, one line at a time.

    In place of Lhotse's own reader, which reads a line of any length, and runs a name that begins with ``pipe:``.

    Args:
        path: Manifest in JSON Lines, gzipped if its name ends in ``.gz``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Any]:
        """Yield the items as Lhotse's objects.

        Raises:
            ValueError: A line is too long, is not JSON or is no item of a manifest, or the file cannot be decompressed.
        """
        if is_special(self.path):
            raise ValueError(f"{self.path}: is not a regular file")
        open_file = gzip.open if self.path.suffix == ".gz" else open
        number = 0
        try:
            with open_file(self.path, "rb") as file:
                for number, line in enumerate(limited_lines(file, str(self.path)), 1):
                    if line.strip():
                        yield self._item(line, number)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{self.path}: damaged or cut gzip file, readable up to line {number} ({error}); compress it again"
            ) from error

    def _item(self, line: bytes, number: int) -> Any:
        place = f"{self.path}, line {number}"
        content = parse_json(line, place)
        locate_audio(content, self.path.parent)
        try:
            return deserialize_item(content)
        except Exception as error:  # Lhotse raises errors of any kind on fields that are missing or of another type.
            is_message = isinstance(error, ValueError)
            reason = one_line(error)[:200] if is_message else "a field is missing, null or of another type"
            raise ValueError(f"{place}: no item of a Lhotse manifest ({reason}); write it with Lhotse") from error
