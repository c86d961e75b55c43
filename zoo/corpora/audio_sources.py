"""Which recording sources a cut may be read from, so that no manifest runs a command or reads what it should not.

Lhotse runs sources of type ``command`` and names that begin with ``pipe:`` in a shell, and so it does with the names of
``.sph`` and ``.opus`` files. Cuts are therefore checked before they are read, and read by libsndfile alone.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from lhotse.audio import audio_backend
from lhotse.cut import Cut

REMOTE_SCHEMES = ("http://", "https://", "s3://")


class UnsafeSourceError(ValueError):
    """A source that may not be read; the message is one line with the source, the reason and the remedy."""


def check_sources(cut: Cut, allow_remote: bool = False) -> None:
    """Refuse a cut whose audio is not in plain files or in the manifest itself.

    The recordings of all tracks are checked, and those inside of transforms, such as room impulse responses.

    Args:
        cut: Any Lhotse cut; nothing of it is opened.
        allow_remote: Whether sources of type ``url`` may be read over http, https and s3.

    Raises:
        UnsafeSourceError: A source is a command, a pipe, a URL that is not allowed, or of an unknown type.
    """
    for source in _sources(cut):
        problem = _problem(str(source.get("type")), source.get("source"), allow_remote)
        if problem:
            raise UnsafeSourceError(f"cut {cut.id}: {problem}")


def load_samples(cut: Cut) -> np.ndarray:
    """Read the samples of a cut, (channels, num_samples) float32, by libsndfile alone.

    Raises:
        UnsafeSourceError: See :func:`check_sources`; remote sources have been allowed or refused by the corpus stage.
    """
    check_sources(cut, allow_remote=True)
    with audio_backend("LibsndfileBackend"):
        return cut.load_audio()


def _sources(cut: Cut) -> Iterator[dict[str, Any]]:
    """Type and place of every source that reading the cut would open."""
    recording = getattr(cut, "recording", None)
    if recording is not None and not recording.transforms:
        # The common case: no copy of the cut as plain values is made.
        for source in recording.sources:
            yield {"type": source.type, "source": source.source}
        return
    yield from _nested_sources(cut.to_dict())


def _nested_sources(value: Any) -> Iterator[dict[str, Any]]:
    """The mappings below a value that have both a type and a source, as serialized audio sources do."""
    if isinstance(value, dict):
        if "type" in value and "source" in value:
            yield value
        for inner in value.values():
            yield from _nested_sources(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _nested_sources(inner)
    elif hasattr(value, "to_dict"):
        yield from _nested_sources(value.to_dict())


def _problem(kind: str, place: Any, allow_remote: bool) -> str | None:
    """Why a source may not be read; None where it may."""
    if kind == "memory":
        return None
    if kind == "file":
        if str(place).startswith("pipe:") or str(place) == "-":
            return f"its source {place!r} is a pipe, not a file; write the audio to a file and name that"
        return None
    if kind == "url":
        if not str(place).lower().startswith(REMOTE_SCHEMES):
            return f"its source {place!r} is no http, https or s3 address; download the audio and name the file"
        if not allow_remote:
            return f"its source {place!r} is remote; download it, or allow it with allow_remote=true of LhotseCorpus"
        return None
    return (
        f"its source is of type {kind!r}, which would run {str(place)[:80]!r}; manifests may name files only: "
        "save the audio to files first, with CutSet.save_audios where you trust the manifest"
    )
