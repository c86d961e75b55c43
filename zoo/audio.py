"""Reading, writing and resampling of waveforms: mono, float32, (num_samples,)."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import soundfile
import torch
from torch import Tensor

from zoo.audio_decoders import AudioError as AudioError
from zoo.audio_files import read_section
from zoo.files import atomic_file
from zoo.processes import interrupts_deferred
from zoo.resampling import resample as resample

SAMPLE_RATE = 16000
# Container and subtype of libsndfile by suffix.
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", None)}
# Decoders of lossy formats exceed 1 by little; a value above this is no audio, or audio at the scale of integers.
MAX_PEAK = 16.0
# Channels cancel if their average has less than this share of the root mean square of the loudest: 30 dB below it.
MIN_MIXED_SHARE = 0.03


def read(
    path: Path | str,
    sample_rate: int = SAMPLE_RATE,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
) -> Tensor:
    """Read an audio file, average its channels and resample it: (num_samples,), float32.

    Args:
        path: Audio file in WAV, FLAC, OGG, MP3 or another format that libsndfile reads, or a container such as M4A.
        sample_rate: Sample rate of the result in Hz.
        start_seconds: Start of the section to read, in seconds.
        duration_seconds: Duration of the section in seconds; None, or a section beyond the end, reads to the end.

    Raises:
        AudioError: If the file is missing, unreadable, empty or no regular file, or its samples are unusable.
    """
    path = Path(path)
    section = read_section(Path(path), start_seconds, duration_seconds)
    if section.samples.shape[1] == 0:
        raise AudioError(f"{path}: no samples from {start_seconds:g} s on; delete the file or correct its start")
    return resample(mix_down(section.samples, str(path)), section.sample_rate, sample_rate)


def write(path: Path | str, waveform: Tensor, sample_rate: int) -> None:
    """Write a waveform (num_samples,), clipped to [-1, 1]; the file is written completely or not at all.

    Args:
        path: File to write; its suffix determines the format: .wav or .flac with 16 bits, .ogg, .mp3.
        waveform: Waveform, (num_samples,).
        sample_rate: Sample rate of the waveform in Hz.

    Raises:
        AudioError: If the suffix is unknown, or the waveform has not one dimension, no samples, NaN or infinity.
    """
    path = Path(path)
    write_chunks(path, [waveform], sample_rate)


def write_chunks(path: Path, chunks: Iterable[Tensor], sample_rate: int) -> int:
    """Write a waveform that is given in chunks, of which one is in memory at a time, as :func:`write` does.

    Args:
        path: File to write; its suffix determines the format: .wav or .flac with 16 bits, .ogg, .mp3.
        chunks: Chunks of the waveform in order, (num_samples,) each.
        sample_rate: Sample rate of the waveform in Hz.

    Returns:
        Number of samples written.

    Raises:
        AudioError: If the suffix is unknown, or a chunk has not one dimension, no samples, NaN or infinity.
    """
    if path.suffix.lower() not in FORMATS:
        raise AudioError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'}; use one of {', '.join(FORMATS)}"
        )
    container, subtype = FORMATS[path.suffix.lower()]
    num_samples = 0
    with atomic_file(path) as temporary, temporary.open("w+b") as file:
        target = _Target(file)
        try:
            with interrupts_deferred():
                encoder = soundfile.SoundFile(cast(BinaryIO, target), "w", sample_rate, 1, subtype, format=container)
            try:
                for chunk in chunks:
                    samples = check(chunk, str(path)).detach().cpu().numpy().astype(np.float32).clip(-1.0, 1.0)
                    with interrupts_deferred():
                        encoder.write(samples)
                    num_samples += len(samples)
            finally:
                with interrupts_deferred():
                    encoder.close()
        finally:
            if target.error is not None:
                raise target.error
    return num_samples


class _Target:
    """A file that libsndfile writes to, which keeps the error of a failed write, such as that of a full disk.

    Args:
        file: File open for writing and reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.tell = file.tell
        self.read = file.read
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self.file.seek(offset, whence)  # writes what is buffered
        except OSError as error:
            self.error = self.error or error
            return -1


def mix_down(samples: np.ndarray, name: str) -> Tensor:
    """Average the channels of decoded audio (num_channels, num_samples) to a waveform (num_samples,), float32.

    Args:
        samples: Decoded samples.
        name: File or utterance of the samples, for the error message.

    Raises:
        AudioError: There are no samples, NaN or infinity, values far outside of [-1, 1], or channels that cancel.
    """
    mono = check(torch.from_numpy(samples.astype(np.float32, copy=False).mean(axis=0)), name)
    peak = float(np.abs(samples).max())
    if peak > MAX_PEAK:
        raise AudioError(f"{name}: has a sample of {peak:.3g}, far outside of [-1, 1]; scale it to that range")
    if len(samples) > 1:
        level = float(np.sqrt(np.square(samples).mean(axis=1).max()))
        if level > 0 and float(np.sqrt(np.square(mono.numpy()).mean())) < MIN_MIXED_SHARE * level:
            raise AudioError(f"{name}: its {len(samples)} channels cancel when averaged; write one of them to a file")
    return mono


def is_constant(waveform: Tensor) -> bool:
    """Return whether all samples of a waveform (num_samples,) are equal, as in digital silence."""
    values = waveform.numpy()
    return bool((values == values[:1]).all())


def check(waveform: Tensor, name: str) -> Tensor:
    """Return ``waveform`` unchanged if it is usable.

    Args:
        waveform: Waveform, required to be (num_samples,) with at least one sample, all finite.
        name: File or utterance of the waveform, for the error message.

    Raises:
        AudioError: If the waveform has not one dimension, no samples, NaN or infinity.
    """
    if waveform.dim() != 1:
        raise AudioError(f"{name}: waveform of shape {tuple(waveform.shape)}; want (num_samples,), channels averaged")
    if waveform.numel() == 0:
        raise AudioError(f"{name}: no samples")
    # NumPy is used because torch would wake its thread pool for every file.
    if not np.isfinite(waveform.detach().cpu().numpy()).all():
        raise AudioError(f"{name}: holds NaN or infinity; write it again from its original")
    return waveform
