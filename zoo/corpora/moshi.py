"""Manifests of moshi-finetune: JSON Lines of paths and durations, with the words of each file in JSON beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.corpora.row import Row
from zoo.files import read_json

# The first channel is that of the speaker whose words are in the alignments.
MAIN_SPEAKER = "SPEAKER_MAIN"


def alignment_path(audio: Path) -> Path | None:
    """Return the file with the words of an audio file; None if there is none."""
    path = audio.with_suffix(".json")
    return path if path.is_file() else None


def with_alignment(row: Row) -> Row:
    """Return a row with the text and the word times of the JSON file beside its audio, if there is one."""
    if row.problem or not isinstance(row.columns.get("audio"), str):
        return row
    path = alignment_path(row.audio_path())
    if path is None:
        return row
    try:
        words = _words(read_json(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return replace(
            row, problem=f'{path.name}: want {{"alignments": [[word, [start, end], speaker], ...]}} ({error})'
        )
    text = " ".join(word for word, _, _ in words)
    return replace(row, columns={"channel": 0, **row.columns, "text": text, "words": words})


def _words(content: Any) -> list[list[Any]]:
    words = []
    for word, (start, end), speaker in content["alignments"]:
        if speaker == MAIN_SPEAKER:
            words.append([word, start, end])
    return words
