"""Suite tables: JSON Lines whose entries name texts and recordings, and their conversion to token ids."""

from pathlib import Path
from typing import Any

import numpy as np

from zoo.audio import read
from zoo.evaluation.suites.text_and_speech import TextAndSpeech
from zoo.files import parse_json
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.vocabulary import Vocabulary


class SuiteTokenizer:
    """Converts entries of a suite table, ``{"text": ..., "audio": ...}``, to token ids; each recording is encoded once.

    Args:
        folder: Folder that audio paths are relative to.
        vocabulary: Vocabulary of text and units.
        tokenizer: Speech tokenizer; None ignores recordings.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary, tokenizer: SpeechTokenizer | None) -> None:
        self.folder = folder
        self.vocabulary = vocabulary
        self.tokenizer = tokenizer
        self._speech_ids: dict[str, np.ndarray] = {}

    def encode(self, entry: Any, where: str) -> TextAndSpeech:
        """Encode one entry.

        Args:
            entry: Mapping with ``text``, ``audio`` or both, as parsed from the table.
            where: File and line of the entry, for error messages.

        Raises:
            ValueError: If the entry has neither text nor audio, or either gives no token.
        """
        if not isinstance(entry, dict) or not ("text" in entry or "audio" in entry):
            raise ValueError(f"{where}: {entry!r:.80} is not a suite entry: expected text, audio or both")
        text = speech = None
        if "text" in entry:
            text = np.array(self.vocabulary.text.encode(entry["text"]))
        if "audio" in entry and self.tokenizer is not None:
            speech = self._encode_recording(entry["audio"], self.tokenizer)
        for key, ids in (("text", text), ("audio", speech)):
            if ids is not None and not len(ids):
                raise ValueError(f"{where}: {key} {entry[key]!r} is empty, or too short for a token")
        return TextAndSpeech(text, speech)

    def _encode_recording(self, audio: str, tokenizer: SpeechTokenizer) -> np.ndarray:
        """Return the speech ids (N,) of a recording, from the cache where it was encoded before."""
        if audio not in self._speech_ids:
            waveform = read(self.folder / audio, tokenizer.sample_rate)
            self._speech_ids[audio] = self.vocabulary.speech_ids(tokenizer.tokens(waveform))
        return self._speech_ids[audio]


def read_table(path: Path, limit: int | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Read the rows of a JSON Lines table, each with its file and line number for error messages.

    Args:
        path: Table.
        limit: Maximum number of rows; all if None.

    Raises:
        FileNotFoundError: If the table does not exist.
        ValueError: If a line is not a JSON object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no suite at {path}: name an existing table, or run the corpus stage first")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[:limit], 1):
        row = parse_json(line, f"{path}:{number}")
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{number}: expected one JSON object per line, got {line[:60]}")
        rows.append((f"{path}:{number}", row))
    return rows
