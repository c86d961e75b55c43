"""Suites of contrasts, read from one table format and put into tokens."""
import json
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zoo.audio import read
from zoo.evaluation.contrast import Both, Contrast
from zoo.tokens.tokenizers import SpeechTokenizer
from zoo.tokens.vocabulary import Vocabulary

PARTS = ("prompt", "right", "wrong")


def load_contrasts(path: Path, tokenizer: SpeechTokenizer, vocabulary: Vocabulary, limit: int | None = None) -> list[Contrast]:
    """Read a suite: JSON Lines with ``prompt``, ``right`` and ``wrong``, each with ``text`` and ``audio`` beside the table.

    Args:
        path: The table.
        tokenizer: Of the speech.
        vocabulary: Numbers text and units.
        limit: Most items; all if None.

    Raises:
        FileNotFoundError: Without the table.
        ValueError: At a broken line, or speech too short for a token.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no suite at {path}: name a table of contrasts, or run the corpus stage first")
    lines = path.read_text(encoding="utf-8").splitlines()[:limit]
    spoken: dict[str, np.ndarray] = {}

    def both(part: dict[str, Any], where: str) -> Both:
        if part["audio"] not in spoken:
            waveform = read(path.parent / part["audio"], tokenizer.sample_rate)
            spoken[part["audio"]] = vocabulary.speech_ids(tokenizer.tokens(waveform))
        if not len(spoken[part["audio"]]) or not part["text"].strip():
            raise ValueError(f"{where}: {part['audio']} is too short for a token, or its text is empty")
        return Both(np.array(vocabulary.text.encode(part["text"])), spoken[part["audio"]])

    items = []
    for number, line in enumerate(tqdm(lines, desc=f"suite {path.stem}", unit="item", mininterval=1.0), 1):
        item = _parsed(line, f"{path}:{number}")
        items.append(Contrast(*(both(item[part], f"{path}:{number}") for part in PARTS)))
    return items


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
        missing = [f"{part}.{key}" for part in PARTS for key in ("text", "audio") if key not in item[part]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{where}: want an object with {', '.join(PARTS)}: {error}") from error
    if missing:
        raise ValueError(f"{where}: lacks {', '.join(missing)}")
    return item
