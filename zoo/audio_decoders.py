"""Decoders of audio files: libsndfile, and FFmpeg (PyAV) for containers such as MPEG-4."""

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from zoo.error_messages import one_line
from zoo.files import is_special
from zoo.processes import interrupts_deferred

# Lower and higher sample rates are those of broken headers.
MIN_RATE = 1000
MAX_RATE = 768_000
MAX_HOURS = 24
BLOCK_SAMPLES = 1 << 18  # of files that cannot seek
# In other files each block is a seek, after which lossy formats differ a little, so that one block is the rule. The
# memory of a block is reserved, but not used before it is filled.
BLOCK_VALUES = 1 << 27
# FFmpeg's demuxers by the first bytes of a file; MPEG-4 has "ftyp" after four others. None of them opens other files.
CONTAINERS = {b"\x1aE\xdf\xa3": "matroska", b"0&\xb2u\x8ef\xcf\x11": "asf", b"#!AMR": "amr", b"\xff\xf1": "aac"}
UNKNOWN_LENGTH = 1 << 62  # libsndfile states about twice as much where a header has no length

Source = Path | io.BytesIO  # a file, or its content
Blocks = Iterator[np.ndarray]


class AudioError(ValueError):
    """Audio that cannot be used; the message is one line and names the file."""


class Decoder(ABC):
    """An open audio file.

    Args:
        name: Path of the file, for messages.

    Attributes:
        sample_rate: Sample rate in Hz.
        num_channels: Number of channels.
        num_samples: Number of samples of each channel; None if only decoding tells.
        is_seekable: Whether ``seek`` may be called.
    """

    sample_rate: int
    num_channels: int
    num_samples: int | None = None
    is_seekable: bool = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def seek(self, start: int) -> None:
        """Continue at sample ``start``, or at the end of the file if that is earlier."""

    @abstractmethod
    def _blocks(self, num_samples: int) -> Blocks: ...

    def blocks(self, num_samples: int | None = None) -> Blocks:
        """Yield the next samples in blocks (num_channels, block_samples), float32.

        Args:
            num_samples: Number of samples; None for all, up to 24 hours. Containers yield all in either case.

        Raises:
            AudioError: The file cannot be decoded.
        """
        limit = MAX_HOURS * 3600 * self.sample_rate
        try:
            for block in self._blocks(limit if num_samples is None else num_samples):
                limit -= block.shape[1]
                if limit < 0:
                    raise AudioError(f"{self.name}: longer than {MAX_HOURS} hours; split it")
                yield block
        except AudioError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            raise AudioError(f"{self.name}: unreadable ({one_line(error)})") from error


class LibsndfileDecoder(Decoder):
    """Any format of libsndfile.

    Args:
        source: Path of the file, or its content.
        name: Path of the file, for messages.
    """

    def __init__(self, source: Source, name: str) -> None:
        super().__init__(name)
        # Absolute, since libsndfile reads standard input for the name "-".
        place = str(source.absolute()) if isinstance(source, Path) else source
        # libsndfile opens a path itself, and reads the content of a file by callbacks.
        self._reading = nullcontext if isinstance(source, Path) else interrupts_deferred
        with self._reading():
            self.file = soundfile.SoundFile(place)
            if self.file.frames >= UNKNOWN_LENGTH:
                self.file.close()
                self.file = _ForwardSoundFile(place)
        self.sample_rate = self.file.samplerate
        self.num_channels = self.file.channels
        self.num_samples = self.file.frames if self.file.frames < UNKNOWN_LENGTH else None
        self.is_seekable = self.num_samples is not None and self.file.seekable()

    def close(self) -> None:
        self.file.close()

    def seek(self, start: int) -> None:
        with self._reading():
            self.file.seek(min(start, self.file.frames))

    def _blocks(self, num_samples: int) -> Blocks:
        # In blocks, since a false header may state any number of samples.
        size = BLOCK_VALUES // self.num_channels if self.is_seekable else BLOCK_SAMPLES
        while num_samples > 0:
            with self._reading():
                block = self.file.read(min(size, num_samples), dtype="float32", always_2d=True)
            if not len(block):
                return
            num_samples -= len(block)
            yield block.T


class _ForwardSoundFile(soundfile.SoundFile):
    """A file that is only read forward: libsndfile seeks in FLAC without a length, but fails at its end."""

    def seekable(self) -> bool:
        return False


class FFmpegDecoder(Decoder):
    """The first audio track of a container.

    Args:
        source: Path of the file, or its content.
        container: FFmpeg's name of the container.
        name: Path of the file, for messages.
    """

    def __init__(self, source: Source, container: str, name: str) -> None:
        super().__init__(name)
        import av

        # An open file instead of a path, so that FFmpeg reads nothing else.
        self.file = source.open("rb") if isinstance(source, Path) else source
        self.container: Any = av.open(self.file, format=container)
        if not self.container.streams.audio:
            raise AudioError(f"{name}: has no audio track; name an audio file")
        self.stream = self.container.streams.audio[0]
        self.sample_rate = self.stream.rate or 0
        self.num_channels = self.stream.channels or 0

    def close(self) -> None:
        self.container.close()
        self.file.close()

    def seek(self, start: int) -> None:
        raise NotImplementedError("containers cannot be searched for a sample")

    def _blocks(self, num_samples: int) -> Blocks:
        from av.audio.resampler import AudioResampler

        converter = AudioResampler(format="fltp")  # to float; channels and sample rate stay
        for frame in self.container.decode(self.stream):
            for converted in converter.resample(frame):
                yield converted.to_ndarray()


def open_decoder(source: Source) -> Decoder:
    """Open an audio file with the decoder for its content.

    Raises:
        AudioError: The file is missing or unreadable, has an impossible sample rate, or needs PyAV, which is missing.
    """
    name = str(source) if isinstance(source, Path) else "audio in a manifest"
    if isinstance(source, Path) and is_special(source):
        raise AudioError(f"{source}: is not a regular file")
    decoder = _open(source, name)
    if not MIN_RATE <= decoder.sample_rate <= MAX_RATE:
        decoder.close()
        raise AudioError(
            f"{name}: has a sample rate of {decoder.sample_rate} Hz; want {MIN_RATE} to {MAX_RATE} Hz, so correct its "
            "header"
        )
    return decoder


def _open(source: Source, name: str) -> Decoder:
    try:
        return LibsndfileDecoder(source, name)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(source, Path) and not os.path.isfile(source):  # also of an impossible path
            raise AudioError(f"{name}: no such file") from error
        container = _container_of(source)
        if container is None:
            raise AudioError(f"{name}: unreadable ({one_line(error)})") from error
    try:
        return FFmpegDecoder(source, container, name)
    except ImportError as error:
        target = str(Path(name).with_suffix(".flac"))
        raise AudioError(
            f"{name}: {container} audio needs PyAV: pip install 'spiritlm-zoo[containers]', or convert it: "
            f"ffmpeg -i {name!r} {target!r}"
        ) from error
    except AudioError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise AudioError(f"{name}: unreadable ({one_line(error)})") from error


def _container_of(source: Source) -> str | None:
    """Return FFmpeg's name of the container that a source is by its first bytes; None if it is none."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            head = file.read(16)
    else:
        head = source.getvalue()[:16]
    if head[4:8] == b"ftyp":
        return "mp4"
    return next((name for magic, name in CONTAINERS.items() if head.startswith(magic)), None)
