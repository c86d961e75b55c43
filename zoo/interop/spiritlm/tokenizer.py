"""Speech tokenizers of the official release, and its functions that encode speech as strings of units."""

from functools import singledispatch
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from zoo import audio
from zoo.audio import AudioError
from zoo.interop.spiritlm.hubert import extract_features, load_phonetic
from zoo.interop.spiritlm.pitch import encode as encode_pitch
from zoo.interop.spiritlm.pitch import load_pitch
from zoo.interop.spiritlm.strings import KEYS, units_to_string
from zoo.interop.spiritlm.style import load_style
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokenizers.speech_tokenizer import Base, Expressive, UnitTokenizer

SAMPLE_RATE = 16000
MAX_WAV_CHUNK = 1_600_000
MIN_WAV_CHUNK = 1_280
# Folders below speech_tokenizer/.
PHONETIC = "hubert_25hz"
PITCH = "vqvae_f0_quantizer"
STYLE = "style_encoder_w2v2"


def load_base(root: Path) -> Base:
    """Load the tokenizer of Spirit LM Base.

    Args:
        root: Folder of the release's checkpoints, which contains ``speech_tokenizer/``.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not what the release reads.
    """
    return Base(load_phonetic(Path(root) / "speech_tokenizer" / PHONETIC))


def load_expressive(root: Path) -> Expressive:
    """Load the tokenizer of Spirit LM Expressive.

    Args:
        root: Folder of the release's checkpoints, which contains ``speech_tokenizer/``.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not what the release reads.
    """
    folder = Path(root) / "speech_tokenizer"
    return Expressive(load_phonetic(folder / PHONETIC), load_pitch(folder / PITCH), load_style(folder / STYLE))


def encode_units(
    tokenizer: UnitTokenizer,
    speech: Any,
    channel_id: int | None = None,
    max_wav_chunk: int = MAX_WAV_CHUNK,
    min_wav_chunk: int = MIN_WAV_CHUNK,
) -> dict[str, str]:
    """Return space-separated raw units under ``hubert``, ``pitch`` and ``style``; for a file, its path under ``audio``.

    Args:
        tokenizer: Tokenizer as ``load_base`` or ``load_expressive`` returns it.
        speech: Path of a file, its bytes, or a tensor (..., N) at 16 kHz with one channel or two.
        channel_id: Which of two channels is encoded. Defaults to their mean.
        max_wav_chunk: Number of samples that are encoded at once.
        min_wav_chunk: Number of samples below which a chunk is skipped.

    Raises:
        ValueError: The release fails too, as it does on a chunk without a voiced frame.
    """
    if isinstance(speech, np.ndarray):
        raise ValueError("an array: the release takes a file or a tensor here; make it one with torch.from_numpy")
    waveform = mono(convert_to_wav_tensor(speech), channel_id)
    chunks = [chunk for chunk in waveform.split(max_wav_chunk) if len(chunk) >= min_wav_chunk]
    units = {}
    if isinstance(speech, (str, Path)):
        units["audio"] = str(Path(speech).absolute())
    for prefix, extractor in tokenizer.unit_extractors.items():
        row: list[int] = []
        for chunk in chunks:
            row += _encode_chunk(extractor, chunk)
        units[KEYS[prefix]] = " ".join(map(str, row))
    return units


def encode_string(tokenizer: UnitTokenizer, speech: Any, channel_id: int | None = None) -> str:
    """Return deduplicated tokens in temporal order, such as ``"[Hu12][Hu7]"``.

    Args:
        tokenizer: Tokenizer as ``load_base`` or ``load_expressive`` returns it.
        speech: Path of a file, its bytes, or a tensor (..., N) at 16 kHz with one channel or two.
        channel_id: Which of two channels is encoded. Defaults to their mean.

    Raises:
        ValueError: The release fails too, as it does on a chunk without a voiced frame.
    """
    units = encode_units(tokenizer, speech, channel_id)
    return units_to_string(units, has_pitch="pitch" in units, has_style="style" in units)


@torch.inference_mode()
def _encode_chunk(extractor: UnitExtractor, chunk: Tensor) -> list[int]:
    """Return the units of a chunk (N,), by the release's own functions where they differ from the extractor's."""
    if isinstance(extractor, PhoneticUnits):
        return extractor.quantizer(extract_features(extractor.encoder, chunk.to(extractor.device))).tolist()
    if isinstance(extractor, PitchUnits):
        return encode_pitch(extractor, chunk).tolist()
    return extractor.encode(chunk).tolist()


def mono(waveform: Tensor, channel_id: int | None = None) -> Tensor:
    """Return one channel (N,) of a waveform.

    Args:
        waveform: Waveform (N,), which is returned as it is, or (2, N).
        channel_id: Index of the channel. Defaults to the mean of both.

    Raises:
        ValueError: The waveform is of another shape.
    """
    if waveform.dim() == 1:
        return waveform
    if waveform.dim() != 2 or len(waveform) != 2:
        raise ValueError(f"waveform of shape {tuple(waveform.shape)}: want (num_samples,) or (2, num_samples)")
    return waveform.mean(0) if channel_id is None else waveform[channel_id]


@singledispatch
def convert_to_wav_tensor(speech: Any) -> Tensor:
    """Return a waveform at 16 kHz, (N,) or (num_channels, N).

    Args:
        speech: Path of a file, its bytes, or an array or tensor, of which dimensions of size 1 are removed.

    Raises:
        ValueError: ``speech`` is of another type, or is a file that cannot be read.
    """
    raise ValueError(f"speech as {type(speech).__name__}: want a path, the bytes of a file, an array or a tensor")


@convert_to_wav_tensor.register
def _(speech: Tensor) -> Tensor:
    return speech.squeeze()


@convert_to_wav_tensor.register
def _(speech: np.ndarray) -> Tensor:
    return torch.from_numpy(speech).squeeze()


@convert_to_wav_tensor.register(str)
@convert_to_wav_tensor.register(Path)
def _(speech: str | Path) -> Tensor:
    return _read(str(speech), str(speech))


@convert_to_wav_tensor.register
def _(speech: bytes) -> Tensor:
    return _read(BytesIO(speech), f"{len(speech)} bytes")


def _read(source: Any, name: str) -> Tensor:
    """Read and resample an audio file; ``name`` is for the error message."""
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, TypeError) as error:
        raise AudioError(f"{name}: unreadable ({' '.join(str(error).split())})") from error
    return audio.resample(torch.from_numpy(samples.T.copy()), rate, SAMPLE_RATE).squeeze()
