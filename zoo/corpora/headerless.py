"""Lists without a header, such as those of LJSpeech, Piper, VITS and GPT-SoVITS: which cell is what."""

import re
from collections.abc import Sequence
from pathlib import Path

from zoo.corpora.audio_paths import AudioPaths

LANGUAGE = re.compile(r"[A-Za-z]{2}([-_][A-Za-z]{2,4})?")
STYLES = {
    *("neutral", "happy", "sad", "angry", "surprise", "surprised", "fear", "fearful", "disgust", "disgusted", "calm"),
    *("amused", "sleepy", "excited", "confused", "whisper", "whispering", "laughing", "default"),
}
MAX_LABEL_LENGTH = 40


def headerless_columns(rows: Sequence[Sequence[str]], folder: Path) -> tuple[str, ...] | None:
    """Return our name of each cell, empty for those that are not read; None if no cell names an audio file.

    One cell is the audio: a path, or a name that is a file with a suffix in ``wavs`` or a similar folder. Cells of few
    different values or of numbers are the speaker, the language or the style. Of two texts the second is read, which
    LJSpeech has with numbers and abbreviations spelled out; of more, the first.

    Args:
        rows: The first rows of the list.
        folder: Folder of the list.
    """
    num_columns = min(len(row) for row in rows)
    audio = _audio_column(rows, num_columns, AudioPaths(folder))
    if audio is None:
        return None
    names = [""] * num_columns
    names[audio] = "audio"
    texts = []
    for column in range(num_columns):
        if column == audio:
            continue
        label = _label(tuple(row[column].strip() for row in rows))
        if label and label not in names and num_columns > 2:
            names[column] = label
        else:
            texts.append(column)
    if not texts and "speaker" in names:
        # Texts of one word each look like names of speakers.
        texts = [max(column for column in range(num_columns) if column != audio)]
    if texts:
        names[texts[1] if len(texts) == 2 else texts[0]] = "text"
    return tuple(names)


def _audio_column(rows: Sequence[Sequence[str]], num_columns: int, paths: AudioPaths) -> int | None:
    for column in range(num_columns):
        num_existing = sum(paths.find(row[column].strip()) is not None for row in rows)
        if 2 * num_existing > len(rows):
            return column
    return None


def _label(values: tuple[str, ...]) -> str | None:
    """Return what the values of a column label: ``style``, ``language`` or ``speaker``; None if they are texts."""
    if any(" " in value or not value or len(value) > MAX_LABEL_LENGTH for value in values):
        return None
    if all(value.split("/")[-1].lower() in STYLES for value in values):
        return "style"
    is_few = 2 * len(set(values)) <= max(len(values), 3)
    if is_few and all(LANGUAGE.fullmatch(value) for value in values):
        return "language"
    if is_few or all(value.isdigit() for value in values):
        return "speaker"
    return None
