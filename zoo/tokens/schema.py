"""Schema of a tokenized corpus: its rows, and their columns on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from zoo.tokens.units import Stream

# Columns with one value in each row.
FLAT = {
    "id": pa.string(),
    "audio": pa.string(),
    "start": pa.float64(),
    "duration": pa.float64(),
    "text": pa.string(),
    "language": pa.string(),
    "speaker": pa.string(),
    "style": pa.string(),
}
# Columns with a list in each row, null if the row has none. The raw units of each stream are further list columns.
LISTS = {
    "text_ids": pa.int32(),
    "speech_ids": pa.int32(),
    "speech_times": pa.float32(),
    "words": pa.string(),
    "word_ends": pa.float32(),
    "word_text": pa.int32(),
    "word_speech": pa.int32(),
    "word_confidences": pa.float32(),
}


@dataclass(frozen=True)
class TokenRow:
    """One tokenized utterance.

    Args:
        id: Unique in its corpus; ``@`` and the speed are appended at other speeds than 1.
        audio: Path of the audio file of the utterance; empty at speeds other than 1, and if there is no single file.
        start: Start of the utterance in the file, in seconds.
        duration: Length of the utterance in seconds.
        text: Transcript; empty where there is none.
        language: BCP-47 tag of the language.
        speaker: Name of the speaker; ``unknown`` if it is not known.
        style: Emotion or speaking style; None if it is not known.
        units: Raw units (T,) by prefix, one for each frame, before deduplication.
        text_ids: Vocabulary ids of the text, (L,).
        speech_ids: Vocabulary ids of the deduplicated units, merged over the streams, (N,).
        speech_times: Start of each speech token in seconds, (N,).
        words: Words of the alignment; None if the row has no alignment, as are the three arrays below.
        word_ends: End of each word in seconds, (num_words,).
        word_text: Index in ``text_ids`` where each word starts, and the end, (num_words + 1,).
        word_speech: Index in ``speech_ids`` where each word starts, and the end, (num_words + 1,).
        word_confidences: Confidence of the aligner in each word, 0 to 1, (num_words,); None if the times are exact.
    """

    id: str
    audio: str
    start: float
    duration: float
    text: str
    language: str
    speaker: str
    style: str | None
    units: dict[str, np.ndarray] = field(repr=False)
    text_ids: np.ndarray = field(repr=False)
    speech_ids: np.ndarray = field(repr=False)
    speech_times: np.ndarray = field(repr=False)
    words: list[str] | None = field(repr=False, default=None)
    word_ends: np.ndarray | None = field(repr=False, default=None)
    word_text: np.ndarray | None = field(repr=False, default=None)
    word_speech: np.ndarray | None = field(repr=False, default=None)
    word_confidences: np.ndarray | None = field(repr=False, default=None)

    def columns(self) -> dict[str, Any]:
        """Return the value of each column of a shard."""
        columns = dict(vars(self))
        del columns["units"]
        return columns | self.units


@dataclass(frozen=True)
class TextRow:
    """A row without speech: a document of plain text, or a part of a long document.

    Args:
        id: Unique in its corpus.
        language: BCP-47 tag of the language.
        text_ids: Vocabulary ids of the text, (L,).
    """

    id: str
    language: str
    text_ids: np.ndarray = field(repr=False)

    def columns(self) -> dict[str, Any]:
        """Return the value of each column of a shard; list columns that are not returned become null."""
        empty = {"audio": "", "start": 0.0, "duration": 0.0, "text": "", "speaker": "", "style": None}
        return empty | {"id": self.id, "language": self.language, "text_ids": self.text_ids}


def schema(streams: Sequence[Stream]) -> pa.Schema:
    """Return the Arrow schema of a shard: the columns of ``FLAT`` and ``LISTS``, and the raw units of each stream."""
    columns: list[tuple[str, pa.DataType]] = [*FLAT.items()]
    for name, value_type in LISTS.items():
        columns.append((name, pa.list_(value_type)))
    for stream in streams:
        columns.append((stream.prefix, pa.list_(pa.int32())))
    return pa.schema(columns)
