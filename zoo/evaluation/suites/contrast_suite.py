"""Suites of contrasts, read from one table format and put into tokens."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zoo.audio import read
from zoo.evaluation.scoring.contrast import Contrast, TextAndSpeech
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokens.vocabulary import Vocabulary

FORM = "an object with right and wrong, and a prompt unless they stand by themselves"


class Parts:
    """Turns parts of a table, ``{"text": ..., "audio": ...}``, into ids; each recording is heard once.

    Args:
        folder: That audio paths are relative to.
        vocabulary: Numbers text and units.
        tokenizer: Of the speech; None leaves recordings unheard.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary, tokenizer: SpeechTokenizer | None) -> None:
        self.folder, self.vocabulary, self.tokenizer = folder, vocabulary, tokenizer
        self.heard: dict[str, np.ndarray] = {}

    def both(self, part: Any, where: str) -> TextAndSpeech:
        """Ids of one part.

        Raises:
            ValueError: At a part with neither, an empty text, or speech too short for a token.
        """
        if not isinstance(part, dict) or not ("text" in part or "audio" in part):
            raise ValueError(f"{where}: {part!r:.80} is no part: want text, audio or both")
        text = np.array(self.vocabulary.text.encode(part["text"])) if "text" in part else None
        speech = self.speech(part["audio"]) if "audio" in part and self.tokenizer else None
        for name, ids in (("text", text), ("audio", speech)):
            if ids is not None and not len(ids):
                raise ValueError(f"{where}: {name} {part[name]!r} is empty, or too short for a token")
        return TextAndSpeech(text, speech)

    def speech(self, audio: str) -> np.ndarray:
        if audio not in self.heard:
            waveform = read(self.folder / audio, self.tokenizer.sample_rate)
            self.heard[audio] = self.vocabulary.speech_ids(self.tokenizer.tokens(waveform))
        return self.heard[audio]


def read_table(path: Path, limit: int | None = None) -> list[tuple[str, dict[str, Any]]]:
    """The rows of a JSON Lines table, each with the place it stands at.

    Raises:
        FileNotFoundError: Without the table.
        ValueError: At a line that is no object.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no suite at {path}: name a table, or run the corpus stage first")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[:limit], 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: want one JSON object a line: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}:{number}: want one JSON object a line, got {line[:60]}")
        rows.append((f"{path}:{number}", row))
    return rows


def load_contrasts(
    path: Path, tokenizer: SpeechTokenizer | None, vocabulary: Vocabulary, limit: int | None = None
) -> list[Contrast]:
    """Read a suite: JSON Lines of ``right``, ``wrong`` (one or a list) and, unless they stand alone, ``prompt``.

    Each is ``{"text": ..., "audio": path beside the table}``, one of which may be left out; an item serves the directions
    that it has all parts for. ``id`` and ``group`` are optional.

    Args:
        path: The table.
        tokenizer: Of the speech; None for text alone.
        vocabulary: Numbers text and units.
        limit: Most items; all if None.

    Raises:
        FileNotFoundError: Without the table.
        ValueError: At a broken line, or speech too short for a token.
    """
    parts, items = Parts(path.parent, vocabulary, tokenizer), []
    for number, (where, row) in enumerate(
        tqdm(read_table(path, limit), desc=f"suite {path.stem}", unit="item", mininterval=1.0, delay=2.0)
    ):
        missing = [key for key in ("right", "wrong") if not row.get(key)]
        if missing:
            raise ValueError(f"{where}: lacks {', '.join(missing)}: want {FORM}")
        wrong = row["wrong"] if isinstance(row["wrong"], list) else [row["wrong"]]
        prompt = parts.both(row["prompt"], where) if row.get("prompt") else None
        items.append(
            Contrast(
                prompt,
                parts.both(row["right"], where),
                tuple(parts.both(one, where) for one in wrong),
                str(row.get("group", "")),
                str(row.get("id", number)),
            )
        )
    return items
