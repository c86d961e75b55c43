"""Check the audio sources of a cut before it is read, so that no manifest can run a command.

Lhotse passes three things to a shell: sources of type ``command``, file names that begin with ``pipe:``, and the names
of ``.sph`` and ``.opus`` files. Each cut is therefore checked first, and its audio is decoded by the decoders of this
project.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from lhotse.audio.backend import AudioBackend, get_current_audio_backend, set_current_audio_backend
from lhotse.cut import Cut

from zoo.audio_files import read_section
from zoo.corpora.lhotse_transforms import UnsafeSourceError as UnsafeSourceError
from zoo.corpora.lhotse_transforms import check_transforms
from zoo.files import is_special

REMOTE_SCHEMES = ("http://", "https://", "s3://")


def check_sources(cut: Cut, allow_remote: bool = False) -> None:
    """Raise an error if the audio of a cut lies anywhere but in plain files or in the manifest itself.

    All recordings that the cut refers to are checked: those of its tracks and those in its transforms, such as room
    impulse responses.

    Args:
        cut: Lhotse cut of any kind; none of its files is opened.
        allow_remote: Whether sources of type ``url`` may be read over http, https or s3.

    Raises:
        UnsafeSourceError: A source is a command, a pipe, not a regular file, a URL that is not allowed, or has an
            unsupported type; or the cut or one of its transforms would take too much memory.
    """
    check_transforms(cut)
    for source in _sources(cut):
        problem = _problem(str(source.get("type")), source.get("source"), allow_remote)
        if problem:
            raise UnsafeSourceError(f"cut {cut.id}: {problem}")


def load_samples(cut: Cut) -> np.ndarray:
    """Read the samples of a cut, (num_channels, num_samples) float32, by the decoders of this project alone.

    Remote sources are refused: the corpus stage downloads those that are allowed.

    Raises:
        UnsafeSourceError: A source is unsafe (see :func:`check_sources`).
    """
    check_sources(cut)
    with _own_decoders():
        return cut.load_audio()


class ZooAudioBackend(AudioBackend):
    """Lhotse's way to read audio, here by the decoders of this project."""

    def read_audio(
        self,
        path_or_fd: str | Path | BytesIO,
        offset: float = 0.0,
        duration: float | None = None,
        force_opus_sampling_rate: int | None = None,
    ) -> tuple[np.ndarray, int]:
        source = path_or_fd if isinstance(path_or_fd, BytesIO) else Path(path_or_fd)
        section = read_section(source, offset, duration)
        return section.samples, section.sample_rate


@contextmanager
def _own_decoders() -> Generator[None]:
    previous = get_current_audio_backend()
    set_current_audio_backend(ZooAudioBackend())
    try:
        yield
    finally:
        set_current_audio_backend(previous)


def _sources(cut: Cut) -> Iterator[dict[str, Any]]:
    """Yield the ``type`` and ``source`` of every audio source that reading the cut would open."""
    recording = getattr(cut, "recording", None)
    if recording is not None and not recording.transforms:
        # Shortcut for the common case: converting the cut to a dictionary is slow.
        for source in recording.sources:
            yield {"type": source.type, "source": source.source}
        return
    yield from _nested_sources(cut.to_dict())


def _nested_sources(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in ``value`` that has the keys ``type`` and ``source``, as a serialized audio source does."""
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


def _problem(source_type: str, location: Any, allow_remote: bool) -> str | None:
    """Return why a source must not be read and the remedy, or None if it may be read."""
    remedy = "save the audio to files first, with CutSet.save_audios if you trust the manifest"
    if source_type == "memory":
        return None
    if source_type == "file":
        if not isinstance(location, (str, Path)) or "\0" in str(location):
            return f"its source {str(location)[:80]!r} is not the path of a file; write the path of the audio as text"
        if is_special(location):
            return f"its source {str(location)!r} is not a regular file; write the audio to a file and name that file"
        if str(location).startswith("pipe:") or str(location) == "-":
            return f"its source {location!r} is a pipe, not a file; write the audio to a file and name that file"
        return None
    if source_type == "url":
        if not str(location).lower().startswith(REMOTE_SCHEMES):
            return f"its source {location!r} is not an http, https or s3 address; download the audio and name the file"
        if not allow_remote:
            remedy = "download it, or prepare the corpus with allow_remote=true of LhotseCorpus"
            return f"its source {location!r} is remote; {remedy}"
        return None
    if source_type == "command":
        return f"its source would run the command {str(location)[:80]!r}; {remedy}"
    return f"its source has the unsupported type {source_type!r}; {remedy}"
