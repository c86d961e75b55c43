"""An audio file with its labels as a cut."""

from pathlib import Path

from lhotse.cut import Cut

from zoo.corpora.source import BadItem, read_recording
from zoo.corpora.utterance import Interval, Utterance, to_cut


def file_cut(
    path: Path,
    id: str,
    text: str,
    language: str,
    speaker: str,
    style: str | None = None,
    words: tuple[Interval, ...] | None = None,
    phonemes: tuple[Interval, ...] | None = None,
) -> Cut | BadItem:
    """Return an audio file with its labels as a cut, after reading the header of the file.

    Args:
        path: Path of the audio file.
        id: Id of the utterance.
        text: Transcript.
        language: BCP-47.
        speaker: Name of the speaker.
        style: Emotion or speaking style.
        words: (word, start, end) of each word in seconds.
        phonemes: (phoneme, start, end) of each phoneme in seconds.
    """
    try:
        recording = read_recording(path)
    except ValueError as error:
        return BadItem(id, str(path), str(error))
    return to_cut(Utterance(id, text, language, speaker, style, words, phonemes, recording.duration), recording)
