"""Few-shot prompts: a few solved examples and a question, from template files of this package."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from zoo.tokens.vocabulary import SPEECH, TEXT, Vocabulary

KEYS = ("modality", "shot", "query", "stop")
SLOT = re.compile(r"(\{\w+\}|\[Text\]|\[Speech\])")


@dataclass(frozen=True)
class PromptTemplate:
    """Prompt format of a task.

    Args:
        modality: Modality of the answer, ``text`` or ``speech``.
        shot: Solved example, of text, modality markers and slots such as ``{speech}``.
        query: Question: a shot up to its answer.
        stop: End of an answer, in the shots and in what the model generates.
    """

    modality: str
    shot: str
    query: str
    stop: str

    def build_prompt(
        self,
        vocabulary: Vocabulary,
        shots: Sequence[Mapping[str, np.ndarray]],
        query: Mapping[str, np.ndarray],
        max_tokens: int,
    ) -> np.ndarray:
        """Return the ids (N,) of the examples and the question, with as many of the last examples as fit.

        Args:
            vocabulary: Vocabulary of the network.
            shots: Ids (N,) by slot, of each example.
            query: Ids (N,) by slot, of the question.
            max_tokens: Maximum length of the prompt.

        Raises:
            ValueError: If the question alone is longer.
        """
        question = self.encode(vocabulary, self.query, query)
        room = max_tokens - len(question) - 1  # one for the begin token
        if room < 0:
            raise ValueError(
                f"the question alone has {len(question) + 1} tokens, but the prompt of this model has room for "
                f"{max_tokens}: use a model of a longer context, or shorter utterances"
            )
        examples: list[np.ndarray] = []
        for shot in reversed(shots):
            example = self.encode(vocabulary, self.shot, shot)
            room -= len(example)
            if room < 0:
                break
            examples.insert(0, example)
        return np.concatenate([[vocabulary.bos], *examples, question]).astype(np.int64)

    def stop_ids(self, vocabulary: Vocabulary) -> list[int]:
        """Return the ids that end an answer."""
        return self.encode(vocabulary, self.stop, {}).tolist()

    def encode(self, vocabulary: Vocabulary, line: str, slots: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the ids (N,) of a line of the template; the text between slots and markers is encoded on its own.

        Args:
            vocabulary: Vocabulary of the network.
            line: Text with modality markers and slots.
            slots: Ids (N,) by slot.
        """
        markers = {TEXT: vocabulary.text_marker, SPEECH: vocabulary.speech_marker}
        segments: list[np.ndarray] = [np.zeros(0, np.int64)]
        for segment in SLOT.split(line):
            if segment in markers:
                segments.append(np.array([markers[segment]]))
            elif SLOT.fullmatch(segment):
                segments.append(slots[segment[1:-1]])
            else:
                segments.append(np.array(vocabulary.text.encode(segment), dtype=np.int64))
        return np.concatenate(segments).astype(np.int64)


def load_template(name: str) -> PromptTemplate:
    """Load ``prompts/NAME.txt``: comments, and one line each of ``modality``, ``shot``, ``query`` and ``stop``."""
    text = files("zoo.evaluation.suites").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
    return parse_template(text, f"{name}.txt")


def parse_template(text: str, where: str) -> PromptTemplate:
    """Parse the content of a template file.

    Args:
        text: Content of the file.
        where: Name of the file, for error messages.

    Raises:
        ValueError: If a line has none of the four keys, or a key is missing.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if key not in KEYS or not colon:
            raise ValueError(f"{where}:{number}: expected one of {', '.join(KEYS)}, a colon and a text, got {line!r}")
        values[key] = value.strip()
    missing = [key for key in KEYS if key not in values]
    if missing:
        raise ValueError(f"{where}: missing {', '.join(missing)}")
    if values["modality"] not in ("text", "speech"):
        raise ValueError(f"{where}: modality: {values['modality']!r}; expected text or speech")
    return PromptTemplate(**values)
