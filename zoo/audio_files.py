"""Sections and lengths of audio files; every stage reads audio files through this module, by the same decoders."""

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from zoo.audio_decoders import MAX_HOURS, AudioError, Decoder, Source, open_decoder


@dataclass(frozen=True)
class AudioInfo:
    """What an audio file holds.

    Args:
        sample_rate: Sample rate in Hz.
        num_samples: Number of samples of each channel.
        num_channels: Number of channels.
    """

    sample_rate: int
    num_samples: int
    num_channels: int

    @property
    def seconds(self) -> float:
        return self.num_samples / self.sample_rate


@dataclass(frozen=True)
class Section:
    """Samples of a section of an audio file.

    Args:
        samples: Samples, (num_channels, num_samples), float32.
        sample_rate: Sample rate in Hz.
    """

    samples: np.ndarray
    sample_rate: int


def read_info(path: Path) -> AudioInfo:
    """Return sample rate, length and channels of an audio file; a container is decoded to find its length.

    Raises:
        AudioError: The file is missing, unreadable or longer than 24 hours, or has an impossible sample rate.
    """
    return _read_info(Path(path), _version(Path(path)))


@lru_cache(maxsize=16)  # a recording of many utterances is asked for with each of them
def _read_info(path: Path, version: tuple[object, ...] | None) -> AudioInfo:
    with open_decoder(path) as decoder:
        num_samples = decoder.num_samples
        if num_samples is None:
            num_samples = sum(block.shape[1] for block in decoder.blocks())
        if num_samples > MAX_HOURS * 3600 * decoder.sample_rate:
            raise AudioError(f"{path}: longer than {MAX_HOURS} hours; split it")
        return AudioInfo(decoder.sample_rate, num_samples, decoder.num_channels)


def read_section(source: Source, start_seconds: float = 0.0, duration_seconds: float | None = None) -> Section:
    """Decode a section of an audio file; it is shorter than wanted where the file ends before.

    Args:
        source: Path of the file, or its content.
        start_seconds: Start of the section, in seconds.
        duration_seconds: Duration of the section, in seconds; None for the rest of the file.

    Raises:
        AudioError: The file is missing, unreadable or longer than 24 hours, or has an impossible sample rate.
    """
    reader = _take_reader(source, start_seconds) or SectionReader(open_decoder(source))
    sample_rate = reader.decoder.sample_rate
    start = _num_samples(start_seconds, sample_rate)
    end = None if duration_seconds is None else start + _num_samples(duration_seconds, sample_rate)
    try:
        samples = reader.read(start, end)
    except BaseException:
        reader.decoder.close()
        raise
    if isinstance(source, Path) and end is not None and not reader.decoder.is_seekable:
        _idle[:] = [(_version(source), reader)]
    else:
        reader.decoder.close()
    return Section(samples, sample_rate)


def _num_samples(seconds: float, sample_rate: int) -> int:
    """Return the nearest number of samples, as Lhotse rounds it."""
    return math.floor(round(seconds * sample_rate, 8) + 0.5)


class SectionReader:
    """Reads sections of an audio file, which are in order if the file cannot seek; they may overlap.

    Args:
        decoder: The open file.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.blocks = decoder.blocks()
        self.kept = np.zeros((decoder.num_channels, 0), dtype=np.float32)  # the last section
        self.kept_start = 0

    def read(self, start: int, end: int | None) -> np.ndarray:
        """Return the samples from ``start`` to ``end``, or to the end of the file, (num_channels, num_samples)."""
        if self.decoder.is_seekable:
            self.decoder.seek(start)
            return np.concatenate([self.kept, *self.decoder.blocks(None if end is None else end - start)], axis=1)
        parts = [self.kept]
        first = self.kept_start  # position of the first of the parts
        position = first + self.kept.shape[1]
        while end is None or position < end:
            block = next(self.blocks, None)
            if block is None:
                break
            parts.append(block)
            position += block.shape[1]
            while first + parts[0].shape[1] <= start and len(parts) > 1:
                first += parts.pop(0).shape[1]
        self.kept = np.concatenate(parts, axis=1)[:, max(0, start - first) :]
        self.kept_start = max(first, start)
        return self.kept[:, : None if end is None else max(0, end - start)]


# The last file that cannot seek, so that its sections in order do not each decode it from the beginning.
_idle: list[tuple[object, SectionReader]] = []


def _take_reader(source: Source, start_seconds: float) -> SectionReader | None:
    """Return the reader of the last section if it is of the same file, and of a section that begins no later."""
    try:
        version, reader = _idle.pop()
    except IndexError:
        return None
    is_before = reader.kept_start <= _num_samples(start_seconds, reader.decoder.sample_rate)
    if is_before and isinstance(source, Path) and version == _version(source):
        return reader
    reader.decoder.close()
    return None


def _version(path: Path) -> tuple[object, ...] | None:
    """Return what identifies the content of a file, and this process: forked ones share the position in the file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (os.getpid(), str(path.absolute()), status.st_ino, status.st_mtime_ns, status.st_size)
