"""Examples of resynthesized speech for the page of a comparison: audio, F0 contours and tokens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from zoo.files import write_text
from zoo.speech.f0 import FRAME_RATE, F0Extractor, F0Track
from zoo.tokens.merged_streams import Tokens

CONTOUR_RATE = 50  # Hz, enough for a plot
EXAMPLES = "examples.json"
ORIGINAL = "original"


@dataclass(frozen=True)
class Sound:
    """One version of an utterance.

    Args:
        waveform: Samples (N,).
        sample_rate: Sample rate in Hz.
        f0: F0 in Hz, ``CONTOUR_RATE`` times per second; 0 where unvoiced.
        tokens: Prefix, unit and start in seconds of each token that the waveform was synthesized from; None for a
            recording.
    """

    waveform: Tensor = field(repr=False)
    sample_rate: int
    f0: list[float] = field(repr=False)
    tokens: list[list[Any]] | None = field(repr=False, default=None)

    @classmethod
    def from_waveform(
        cls, waveform: Tensor, sample_rate: int, f0: F0Extractor, tokens: Tokens | None = None
    ) -> "Sound":
        """Return the sound of a waveform (N,), with its F0 contour extracted by ``f0``."""
        times = None if tokens is None else token_times(tokens)
        return cls(waveform, sample_rate, contour(f0(waveform)), times)

    def report(self, audio: str) -> dict[str, Any]:
        """Return everything but the waveform as JSON, with the name of the audio file."""
        tokens = {} if self.tokens is None else {"tokens": self.tokens}
        return {"sample_rate": self.sample_rate, "f0": self.f0, **tokens, "audio": audio}


@dataclass(frozen=True)
class Example:
    """A held-out utterance: its recording and its resynthesis by each variant.

    Args:
        id: Name of the utterance.
        text: Transcript.
        speaker: Name of the speaker.
        style: Style; empty if unknown.
        seconds: Duration.
        sounds: The recording, under ``original``, and the resyntheses by variant.
    """

    id: str
    text: str
    speaker: str
    style: str
    seconds: float
    sounds: dict[str, Sound]

    def with_sounds_of(self, other: "Example") -> "Example":
        """Return the example with the sounds of another variant's example of the same utterance added."""
        return replace(self, sounds=self.sounds | other.sounds)


def contour(track: F0Track) -> list[float]:
    """Return F0 in Hz at ``CONTOUR_RATE``, 0 where unvoiced."""
    hertz = torch.where(track.voiced, track.frequency, torch.zeros(()))
    return [round(value, 1) for value in hertz[:: round(FRAME_RATE / CONTOUR_RATE)].tolist()]


def token_times(tokens: Tokens) -> list[list[Any]]:
    """Return prefix, unit and start in seconds of each token.

    Raises:
        ValueError: If the tokens have no start times.
    """
    if tokens.time is None:
        raise ValueError("the tokens have no start times, as after parsing: pass tokens merged from units")
    rows = []
    for stream, unit, time in zip(tokens.stream, tokens.unit, tokens.time, strict=True):
        rows.append([tokens.streams[stream].prefix, int(unit), round(float(time), 3)])
    return rows


def write_examples(out: Path, examples: Sequence[Example]) -> None:
    """Write the sounds as FLAC files, and everything else as ``examples.json``."""
    reports = []
    for number, example in enumerate(examples):
        sounds = {}
        for name, sound in example.sounds.items():
            file = f"{number}_{'_'.join(name.lower().split())}.flac"
            soundfile.write(out / file, sound.waveform.numpy(), sound.sample_rate, subtype="PCM_16")
            sounds[name] = sound.report(file)
        about = {
            "id": example.id,
            "text": example.text,
            "speaker": example.speaker,
            "style": example.style,
            "seconds": example.seconds,
        }
        reports.append({"about": about, "sounds": sounds})
    write_text(out / EXAMPLES, json.dumps(reports, ensure_ascii=False) + "\n")
