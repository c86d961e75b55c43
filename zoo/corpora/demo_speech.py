"""Many lines spoken into files by several processes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zoo import audio
from zoo.corpora.espeak import Synthesizer, Voice
from zoo.processes import map_in_processes


@dataclass(frozen=True)
class Line:
    """One utterance to be spoken.

    Args:
        id: Of the utterance.
        path: Of the audio, relative to the corpus.
        text: Plain words.
        spoken: The same words with punctuation.
        language: Of the story.
        speaker: Its name.
        style: The mood that ``voice`` acts.
        voice: Who speaks, and how.
    """

    id: str
    path: str
    text: str
    spoken: str
    language: str
    speaker: str
    style: str
    voice: Voice


def speak_all(lines: Iterable[Line], folder: Path, num_processes: int) -> dict[Line, dict[str, Any]]:
    """Speak every line into its file below ``folder`` and return the table rows, audio paths relative to ``folder``.

    Args:
        lines: Each is spoken once.
        folder: The corpus.
        num_processes: That speak at once; the result does not depend on it.
    """
    lines = list(dict.fromkeys(lines))
    rows = map_in_processes(partial(_speak, folder=folder), lines, num_processes, chunk_size=4)
    return dict(
        zip(lines, tqdm(rows, "synthetic speech", len(lines), unit=" utterances", delay=3, disable=None), strict=True)
    )


def _speak(line: Line, folder: Path) -> dict[str, Any]:
    speech = Synthesizer().speak(line.spoken, line.voice)
    audio.write(folder / line.path, speech.waveform, audio.SAMPLE_RATE)
    words = [(word, start, end) for word, (_, start, end) in zip(line.text.split(), speech.words, strict=True)]
    return {
        "id": line.id,
        "audio": line.path,
        "duration": len(speech.waveform) / audio.SAMPLE_RATE,
        "text": line.text,
        "language": line.language,
        "speaker": line.speaker,
        "style": line.style,
        "words": words,
        "phonemes": speech.phonemes,
    }
