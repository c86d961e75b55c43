"""Synthesis of many utterances into audio files, by several processes."""

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
    """An utterance to synthesize.

    Args:
        id: Id of the utterance.
        path: Path of the audio file, relative to the corpus.
        text: Plain words.
        punctuated: The same words with punctuation, as the synthesizer gets them.
        language: Language of the text.
        speaker: Name of the speaker.
        style: Style that ``voice`` acts.
        voice: Voice of the speaker in that style.
    """

    id: str
    path: str
    text: str
    punctuated: str
    language: str
    speaker: str
    style: str
    voice: Voice


def synthesize_all(lines: Iterable[Line], folder: Path, num_processes: int) -> dict[Line, dict[str, Any]]:
    """Synthesize lines into their files, and return the row of each in a table of utterances.

    Args:
        lines: Lines, of which equal ones are synthesized once.
        folder: Folder of the corpus, to which audio paths are relative.
        num_processes: Number of processes; the result does not depend on it.
    """
    unique_lines = list(dict.fromkeys(lines))
    rows = map_in_processes(partial(_synthesize, folder=folder), unique_lines, num_processes, chunk_size=4)
    bar = tqdm(rows, "synthetic speech", len(unique_lines), unit=" utterances", delay=3, disable=None)
    return dict(zip(unique_lines, bar, strict=True))


def _synthesize(line: Line, folder: Path) -> dict[str, Any]:
    speech = Synthesizer().synthesize(line.punctuated, line.voice)
    audio.write(folder / line.path, speech.waveform, audio.SAMPLE_RATE)
    # The times are those of the punctuated words, in the same order.
    words = []
    for word, (_, start, end) in zip(line.text.split(), speech.words, strict=True):
        words.append((word, start, end))
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
