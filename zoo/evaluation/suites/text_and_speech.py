"""Content in text and in speech, and the directions in which a language model continues one with the other."""

from dataclasses import dataclass

import numpy as np

from zoo.tokens.vocabulary import Vocabulary

TEXT_TO_TEXT, SPEECH_TO_SPEECH, SPEECH_TO_TEXT, TEXT_TO_SPEECH = "T->T", "S->S", "S->T", "T->S"
DIRECTIONS = (TEXT_TO_TEXT, SPEECH_TO_SPEECH, SPEECH_TO_TEXT, TEXT_TO_SPEECH)
MODALITY_NAMES = {"T": "text", "S": "speech"}


@dataclass(frozen=True)
class TextAndSpeech:
    """Token ids of the same words in both modalities, without modality markers.

    Args:
        text: Ids of the text, (L,); None where the suite has no text.
        speech: Ids of the speech, (N,); None where the suite has no recording.
    """

    text: np.ndarray | None
    speech: np.ndarray | None

    def has(self, modality: str) -> bool:
        """Whether there are ids in a modality, ``T`` or ``S``."""
        return self._find(modality) is not None

    def ids(self, modality: str) -> np.ndarray:
        """Return the ids (N,) in a modality, ``T`` or ``S``.

        Raises:
            ValueError: If there are none.
        """
        ids = self._find(modality)
        if ids is None:
            raise ValueError(f"this content has no {MODALITY_NAMES[modality]}: check ``has`` first")
        return ids

    def _find(self, modality: str) -> np.ndarray | None:
        return self.text if modality == "T" else self.speech


def modalities(direction: str) -> tuple[str, str]:
    """Return the modalities of the prompt and of the continuation, ``T`` or ``S`` each."""
    source, target = direction.split("->")
    return source, target


def prompt_ids(vocabulary: Vocabulary, prompt: TextAndSpeech | None, direction: str) -> np.ndarray:
    """Return the ids (N,) of a prompt, up to and including the marker of the continuation's modality.

    Args:
        vocabulary: Vocabulary of the network.
        prompt: Content of the prompt; None for a prompt of the begin token and a marker alone.
        direction: One of ``DIRECTIONS``. Where the modality stays the same, no second marker is inserted.
    """
    markers = {"T": [vocabulary.text_marker], "S": [vocabulary.speech_marker]}
    source, target = modalities(direction)
    content: np.ndarray | list[int] = [] if prompt is None else prompt.ids(source)
    switch = markers[target] if source != target else []
    return np.concatenate([[vocabulary.bos], markers[source], content, switch]).astype(np.int64)
