"""Reading, writing and resampling of waveforms: mono, float32, (num_samples,)."""

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torchaudio.transforms import Resample

from zoo.files import atomic_file, is_special

SAMPLE_RATE = 16000
# Container and subtype of libsndfile by suffix.
FORMATS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", None)}


class AudioError(ValueError):
    """Audio that cannot be used; the message is one line and names the file."""


def read(
    path: Path,
    sample_rate: int = SAMPLE_RATE,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
) -> Tensor:
    """Read an audio file, average its channels and resample it: (num_samples,), float32.

    Args:
        path: Audio file in WAV, FLAC, OGG, MP3 or another format that libsndfile reads, at any sample rate.
        sample_rate: Sample rate of the result in Hz.
        start_seconds: Start of the section to read, in seconds.
        duration_seconds: Duration of the section in seconds; None, or a section beyond the end, reads to the end.

    Raises:
        AudioError: If the file is missing, unreadable, or empty, or contains NaN or infinity; or is no regular file.
    """
    if is_special(path):
        raise AudioError(f"{path} is not a regular file; name an audio file")
    try:
        # Absolute, since libsndfile reads standard input for the name "-".
        with soundfile.SoundFile(str(Path(path).absolute())) as file:
            file_rate = file.samplerate
            file.seek(min(round(start_seconds * file_rate), file.frames))
            num_frames = -1 if duration_seconds is None else round(duration_seconds * file_rate)
            samples = file.read(num_frames, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        reason = "unreadable" if Path(path).is_file() else "no such file"
        raise AudioError(f"{path}: {reason} ({' '.join(str(error).split())})") from error
    if len(samples) == 0:
        raise AudioError(f"{path}: no samples from {start_seconds:g} s on; delete the file or correct its start")
    mono = check(torch.from_numpy(samples.mean(axis=1)), str(path))
    return resample(mono, file_rate, sample_rate)


def write(path: Path, waveform: Tensor, sample_rate: int) -> None:
    """Write a waveform (num_samples,), clipped to [-1, 1]; the file is written completely or not at all.

    Args:
        path: File to write; its suffix determines the format: .wav or .flac with 16 bits, .ogg, .mp3.
        waveform: Waveform, (num_samples,).
        sample_rate: Sample rate of the waveform in Hz.

    Raises:
        AudioError: If the suffix is unknown, or the waveform has not one dimension, no samples, NaN or infinity.
    """
    if path.suffix.lower() not in FORMATS:
        raise AudioError(
            f"{path}: cannot write {path.suffix or 'a file without suffix'}; use one of {', '.join(FORMATS)}"
        )
    container, subtype = FORMATS[path.suffix.lower()]
    samples = check(waveform, str(path)).detach().cpu().numpy().astype(np.float32).clip(-1.0, 1.0)
    # Encoded in memory, since libsndfile does not distinguish a full disk from other errors, and Python does.
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, sample_rate, format=container, subtype=subtype)
    with atomic_file(path) as temporary:
        temporary.write_bytes(encoded.getvalue())


def resample(waveform: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """Resample (..., num_samples), equal to ``torchaudio.functional.resample`` with its default filter.

    Args:
        waveform: Waveforms, (..., num_samples).
        from_rate: Sample rate of ``waveform`` in Hz.
        to_rate: Sample rate of the result in Hz.
    """
    if from_rate == to_rate:
        return waveform
    return _resampler(from_rate, to_rate, waveform.dtype, waveform.device)(waveform)


@lru_cache(maxsize=16)
def _resampler(from_rate: int, to_rate: int, dtype: torch.dtype, device: torch.device) -> Resample:
    # Cached, since computing the filter takes longer than applying it to ten seconds of speech.
    return Resample(from_rate, to_rate, dtype=dtype).to(device)


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
