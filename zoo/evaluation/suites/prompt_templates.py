"""Prompts of a few solved examples and a question, from templates that are files of this package."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from zoo.tokens.vocabulary import SPEECH, TEXT, Vocabulary

KEYS = ("to", "shot", "query", "stop")
SLOT = re.compile(r"(\{\w+\}|\[Text\]|\[Speech\])")


@dataclass(frozen=True)
class Template:
    """How a task is put to a language model.

    Args:
        to: Modality of the answer, ``text`` or ``speech``.
        shot: A solved example, of text, markers and slots such as ``{speech}``.
        query: The question: a shot up to its answer.
        stop: What ends an answer, in the shots as in the model's.
    """

    to: str
    shot: str
    query: str
    stop: str

    def prompt(
        self,
        vocabulary: Vocabulary,
        shots: Sequence[Mapping[str, np.ndarray]],
        query: Mapping[str, np.ndarray],
        max_tokens: int,
    ) -> np.ndarray:
        """Ids (N,) of the examples and the question, with as many of the last examples as there is room for.

        Args:
            vocabulary: Of the network.
            shots: What fills the slots of each example, ids (N,) by slot.
            query: The same of the question.
            max_tokens: Of the prompt.

        Raises:
            ValueError: Where the question alone has more tokens.
        """
        question = self.ids(vocabulary, self.query, query)
        room = max_tokens - len(question) - 1
        if room < 0:
            raise ValueError(
                f"the question alone has {len(question) + 1} tokens, and this model has room for {max_tokens}"
            )
        parts: list[np.ndarray] = []
        for shot in reversed(shots):
            example = self.ids(vocabulary, self.shot, shot)
            room -= len(example)
            if room < 0:
                break
            parts.insert(0, example)
        return np.concatenate([[vocabulary.bos], *parts, question]).astype(np.int64)

    def stop_ids(self, vocabulary: Vocabulary) -> list[int]:
        """Ids that end an answer."""
        return self.ids(vocabulary, self.stop, {}).tolist()

    def ids(self, vocabulary: Vocabulary, text: str, slots: Mapping[str, np.ndarray]) -> np.ndarray:
        """Ids (N,) of a line of the template, its text word by word."""
        markers = {TEXT: vocabulary.text_marker, SPEECH: vocabulary.speech_marker}
        parts: list[np.ndarray] = [np.zeros(0, np.int64)]
        for piece in SLOT.split(text):
            if piece in markers:
                parts.append(np.array([markers[piece]]))
            else:
                parts.append(
                    slots[piece[1:-1]]
                    if SLOT.fullmatch(piece)
                    else np.array(vocabulary.text.encode(piece), dtype=np.int64)
                )
        return np.concatenate(parts).astype(np.int64)


def template(name: str) -> Template:
    """Read ``prompts/NAME.txt``: comments, and one line each of ``to``, ``shot``, ``query`` and ``stop``."""
    return parse_template(
        files("zoo.evaluation.suites").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8"), f"{name}.txt"
    )


def parse_template(text: str, where: str) -> Template:
    """Raises: ValueError at a line that is none of the four, or where one is missing."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            key, colon, value = line.partition(":")
            if key not in KEYS or not colon:
                raise ValueError(f"{where}:{number}: want one of {', '.join(KEYS)}, a colon and a text, got {line!r}")
            found[key] = value.strip()
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise ValueError(f"{where}: lacks {', '.join(missing)}")
    if found["to"] not in ("text", "speech"):
        raise ValueError(f"{where}: to: {found['to']!r}; want text or speech")
    return Template(**found)
