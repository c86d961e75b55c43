"""The official speech tokenizers, and their way of being called: speech to strings of units."""

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
from zoo.interop.spiritlm.hubert import features, load_phonetic
from zoo.interop.spiritlm.pitch import encode as encode_pitch
from zoo.interop.spiritlm.pitch import load_pitch
from zoo.interop.spiritlm.strings import KEYS, units_to_string
from zoo.interop.spiritlm.style import load_style
from zoo.tokenizers.speech_tokenizer import Base, Expressive, UnitTokenizer

SAMPLE_RATE = 16000
MAX_WAV_CHUNK, MIN_WAV_CHUNK = 1_600_000, 1_280
PHONETIC, PITCH, STYLE = "hubert_25hz", "vqvae_f0_quantizer", "style_encoder_w2v2"  # below speech_tokenizer/


def load_base(root: Path) -> Base:
    """The tokenizer of Spirit LM Base.

    Args:
        root: The release's folder of checkpoints, which holds ``speech_tokenizer/``.

    Raises:
        FileNotFoundError: Where a file is missing.
        ValueError: Where a file is not what the release reads.
    """
    return Base(load_phonetic(Path(root) / "speech_tokenizer" / PHONETIC))


def load_expressive(root: Path) -> Expressive:
    """The tokenizer of Spirit LM Expressive; as ``load_base``."""
    parts = Path(root) / "speech_tokenizer"
    return Expressive(load_phonetic(parts / PHONETIC), load_pitch(parts / PITCH), load_style(parts / STYLE))


def encode_units(
    tokenizer: UnitTokenizer,
    speech: Any,
    channel_id: int | None = None,
    max_wav_chunk: int = MAX_WAV_CHUNK,
    min_wav_chunk: int = MIN_WAV_CHUNK,
) -> dict[str, str]:
    """Space-separated raw units under ``hubert``, ``pitch`` and ``style``; for a file its path under ``audio``, too.

    Args:
        tokenizer: Made by ``load_base`` or ``load_expressive``.
        speech: Path of a file, its bytes, or a tensor (..., num_samples) at 16 kHz with one channel or two.
        channel_id: Which of two channels is heard; their mean if None.
        max_wav_chunk: Samples that are heard at once.
        min_wav_chunk: Shorter pieces are passed over.

    Raises:
        ValueError: Where the release fails too, as it does where a piece has no voiced frame.
    """
    if isinstance(speech, np.ndarray):
        raise ValueError("an array: the release takes a file or a tensor here; make it one with torch.from_numpy")
    waveform = mono(convert_to_wav_tensor(speech), channel_id)
    pieces = [piece for piece in waveform.split(max_wav_chunk) if len(piece) >= min_wav_chunk]
    named = {"audio": str(Path(speech).absolute())} if isinstance(speech, (str, Path)) else {}
    return named | {
        KEYS[prefix]: " ".join(str(unit) for piece in pieces for unit in _units(tokenizer, prefix, piece))
        for prefix in tokenizer.extractors
    }


def encode_string(tokenizer: UnitTokenizer, speech: Any, channel_id: int | None = None) -> str:
    """Deduplicated tokens in order of time, such as ``"[Hu12][Hu7]"``; arguments and errors are those of ``encode_units``."""
    units = encode_units(tokenizer, speech, channel_id)
    return units_to_string(units, has_pitch="pitch" in units, has_style="style" in units)


@torch.inference_mode()
def _units(tokenizer: UnitTokenizer, prefix: str, piece: Tensor) -> list[int]:
    extractor = tokenizer.extractors[prefix]
    if prefix == "Hu":
        return extractor.quantizer(features(extractor.encoder, piece.to(extractor.device))).tolist()
    return (encode_pitch(extractor, piece) if prefix == "Pi" else extractor.encode(piece)).tolist()


def mono(waveform: Tensor, channel_id: int | None = None) -> Tensor:
    """One channel (num_samples,) of (num_samples,) or (2, num_samples).

    Raises:
        ValueError: At any other shape.
    """
    if waveform.dim() == 1:
        return waveform
    if waveform.dim() != 2 or len(waveform) != 2:
        raise ValueError(f"waveform of shape {tuple(waveform.shape)}: want (num_samples,) or (2, num_samples)")
    return waveform.mean(0) if channel_id is None else waveform[channel_id]


@singledispatch
def convert_to_wav_tensor(speech: Any) -> Tensor:
    """A waveform at 16 kHz, (num_samples,) or (channels, num_samples).

    Args:
        speech: Path of a file, its bytes, or an array or tensor, from which dimensions of 1 are taken away.

    Raises:
        ValueError: At anything else, or a file that cannot be read.
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
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, TypeError) as error:
        raise AudioError(f"{name}: unreadable ({' '.join(str(error).split())})") from error
    return audio.resample(torch.from_numpy(samples.T.copy()), rate, SAMPLE_RATE).squeeze()
