"""Labels of transcripts for CTC: characters, or the pieces of a text tokenizer."""

import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo.files import read_json, write_text
from zoo.tokens.text_tokenizer import TextTokenizer

CHARACTERS = "characters.json"


def normalize_transcript(text: str) -> str:
    """Return a text in lower case, without punctuation and symbols other than apostrophes, one space between words.

    Hyphens and dashes separate words. Digits stay as they are.
    """
    characters = []
    for character in unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'"):
        category = unicodedata.category(character)
        if character == "'" or category[0] in "LMN":
            characters.append(character)
        elif category == "Pd" or category[0] in "ZC":
            characters.append(" ")
    return " ".join("".join(characters).split())


class TranscriptLabels(ABC):
    """Interface: texts to labels 0 to ``len(self) - 1`` and back; the blank of CTC is not among them."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of labels."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the labels of a text."""

    @abstractmethod
    def decode(self, labels: Sequence[int]) -> str:
        """Return the text of labels."""

    def read(self, outputs: Sequence[int]) -> str:
        """Return the text of the most likely outputs of CTC, whose blank is ``len(self)``.

        Args:
            outputs: Most likely output of each frame.
        """
        labels = []
        previous = len(self)
        for output in outputs:
            if output not in (previous, len(self)):
                labels.append(output)
            previous = output
        return self.decode(labels)


class Characters(TranscriptLabels):
    """Characters of normalized transcripts (see ``normalize_transcript``).

    Args:
        alphabet: The characters, each once; a space separates words. Others are left out of texts. The default is that
            of English.

    Raises:
        ValueError: If a character occurs twice.
    """

    def __init__(self, alphabet: str = " 'abcdefghijklmnopqrstuvwxyz") -> None:
        if len(set(alphabet)) < len(alphabet):
            raise ValueError(f"alphabet {alphabet!r}: a character occurs twice")
        self.alphabet = alphabet
        self._labels = {character: label for label, character in enumerate(alphabet)}

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> "Characters":
        """Return the characters of all normalized texts, in the order of their code points."""
        return cls("".join(sorted({" "}.union(*map(normalize_transcript, texts)))))

    def save(self, folder: Path) -> None:
        """Write ``characters.json``."""
        write_text(folder / CHARACTERS, json.dumps({"alphabet": self.alphabet}, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Characters":
        """Load what ``save`` wrote.

        Raises:
            FileNotFoundError: If the folder holds no characters.
        """
        path = Path(folder) / CHARACTERS
        if not path.is_file():
            raise FileNotFoundError(f"no {CHARACTERS} in {folder}: run the stage that stores the features first")
        return cls(read_json(path)["alphabet"])

    def __len__(self) -> int:
        return len(self.alphabet)

    def encode(self, text: str) -> list[int]:
        known = (self._labels.get(character) for character in normalize_transcript(text))
        return [label for label in known if label is not None]

    def decode(self, labels: Sequence[int]) -> str:
        return " ".join("".join(self.alphabet[label] for label in labels).split())


class TextPieces(TranscriptLabels):
    """Pieces of the text tokenizer of a checkpoint, such as that of the speech encoder's own decoder.

    Args:
        source: Name or folder of a transformers checkpoint with a tokenizer.
    """

    def __init__(self, source: str) -> None:
        self.tokenizer = TextTokenizer.load(source)

    def __len__(self) -> int:
        return len(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(normalize_transcript(text))

    def decode(self, labels: Sequence[int]) -> str:
        return normalize_transcript(self.tokenizer.decode(labels))
