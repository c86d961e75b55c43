"""Transcripts and word times in files beside an audio file: .txt, .lab, .normalized.txt and TextGrids."""

import os
from dataclasses import dataclass
from pathlib import Path

from zoo.corpora.text_lines import text_lines
from zoo.corpora.textgrid import read_textgrid
from zoo.corpora.utterance import Interval
from zoo.files import is_special

# LibriTTS has .normalized.txt and .original.txt, the Montreal Forced Aligner reads .lab and .txt.
TEXT_SUFFIXES = (".normalized.txt", ".txt", ".lab", ".original.txt")
TEXTGRID_SUFFIXES = (".TextGrid", ".textgrid")
MAX_TRANSCRIPT_BYTES = 1 << 20


@dataclass(frozen=True)
class Transcript:
    """What the files beside an audio file say.

    Args:
        text: Text; that of the words of a TextGrid if there is no other; None if there is none.
        words: (word, start, end) of each word in seconds; None if there is no TextGrid.
        phonemes: (phone, start, end) of each phone in seconds; None if there is no TextGrid, or it has none.
        problem: Why a file cannot be read; None if all can.
    """

    text: str | None = None
    words: tuple[Interval, ...] | None = None
    phonemes: tuple[Interval, ...] | None = None
    problem: str | None = None


def transcript_files(audio: Path) -> list[Path]:
    """Return the transcript and the TextGrid beside an audio file, if there are such."""
    files = []
    for suffixes in (TEXT_SUFFIXES, TEXTGRID_SUFFIXES):
        candidates = [audio.with_name(audio.stem + suffix) for suffix in suffixes]
        files += [candidate for candidate in candidates if os.path.lexists(candidate)][:1]
    return files


def read_transcript(audio: Path, files: list[Path] | None = None, encoding: str = "utf-8") -> Transcript:
    """Read the transcript of an audio file.

    Args:
        audio: The audio file.
        files: Transcript and TextGrid. Defaults to those beside the audio file.
        encoding: Encoding of transcripts without a byte order mark.
    """
    files = transcript_files(audio) if files is None else files
    text = None
    words = phonemes = None
    for file in files:
        try:
            _require_small(file)
            if file.suffix in TEXTGRID_SUFFIXES:
                times = read_textgrid(file)
                words = times.words
                phonemes = times.phonemes
            else:
                text = _read_text(file, encoding)
        except (OSError, ValueError) as error:
            return Transcript(problem=f"no transcript: {error}")
    if text is None and words is not None:
        text = " ".join(word for word, _, _ in words)
    if text is None:
        names = ", ".join(f"{audio.stem}{suffix}" for suffix in (*TEXT_SUFFIXES[:3], TEXTGRID_SUFFIXES[0]))
        return Transcript(problem=f"no transcript beside it ({names})")
    return Transcript(text, words, phonemes)


def _require_small(file: Path) -> None:
    if is_special(file):
        raise ValueError(f"{file.name} is not a regular file")
    if file.stat().st_size > MAX_TRANSCRIPT_BYTES and file.suffix not in TEXTGRID_SUFFIXES:
        raise ValueError(f"{file.name} has more than {MAX_TRANSCRIPT_BYTES} bytes")


def _read_text(file: Path, encoding: str) -> str:
    lines = []
    for line in text_lines(file, encoding):
        if line.problem:
            raise ValueError(f"{file.name}: {line.problem}")
        lines.append(line.text)
    return " ".join(" ".join(lines).split())
