"""The text tokenizer of the official Spirit LM checkpoints: a SentencePiece model with units as its last pieces."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import SupportsInt

import sentencepiece

from zoo.files import atomic_file, reading
from zoo.tokens.contract import checksum

MODEL = "tokenizer.model"
TEXT = "[Text]"
SPEECH = "[Speech]"
# Matches the empty position after the opening bracket of a marker or unit.
SYMBOL = re.compile(r"(?<=\[)(?=(?:Text|Speech|(?:Hu|Pi|St)\d+)\])")


class SentencePieceText:
    """The text side of an official Spirit LM tokenizer: Llama 2 pieces, then markers and units as user-defined symbols.

    It has the interface of ``TextTokenizer``: each word is encoded by itself, with the space before it, to ids of text
    pieces alone. ``encode_string`` and ``decode_string`` convert prompts with markers and units, as the release does.

    Args:
        model: Serialized SentencePiece model.

    Raises:
        ValueError: The model has no begin or end piece, or lacks the markers.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.bos: int = self.pieces.bos_id()
        self.eos: int = self.pieces.eos_id()
        # The text marker is the first piece after those of Llama 2, so that its id equals the number of Llama 2 pieces.
        self.num_text: int = self.pieces.piece_to_id(TEXT)
        has_ends = min(self.bos, self.eos) >= 0
        has_text_marker = self.num_text != self.pieces.unk_id()
        has_speech_marker = self.pieces.piece_to_id(SPEECH) == self.num_text + 1
        if not (has_ends and has_text_marker and has_speech_marker):
            raise ValueError(
                f"{MODEL}: want begin and end pieces, and {TEXT} followed by {SPEECH}; a Spirit LM tokenizer has them"
            )
        self.special = {self.pieces.unk_id(), self.bos, self.eos}
        self._word = lru_cache(maxsize=1 << 20)(self._encode_word)

    def __len__(self) -> int:
        return self.num_text

    @cached_property
    def checksum(self) -> str:
        return checksum([self.model, self.bos, self.eos])

    @cached_property
    def units(self) -> dict[str, int]:
        """Number of units by prefix, in the order of their ids.

        Raises:
            ValueError: The pieces after the markers are not ``[Hu0]``, ``[Hu1]`` and so on, one stream after another.
        """
        sizes: dict[str, int] = {}
        for number in range(self.num_text + 2, self.pieces.get_piece_size()):
            piece = self.pieces.id_to_piece(number)
            prefix = piece[1:3]
            is_next_unit = piece == f"[{prefix}{sizes.get(prefix, 0)}]"
            returns_to_earlier_stream = prefix in sizes and prefix != list(sizes)[-1]
            if not is_next_unit or returns_to_earlier_stream:
                raise ValueError(
                    f"{MODEL}: piece {number} is {piece!r}; "
                    f"want units in order after {TEXT} and {SPEECH}, such as [Hu0]"
                )
            sizes[prefix] = sizes.get(prefix, 0) + 1
        return sizes

    def encode_string(self, text: str) -> list[int]:
        """Return the ids of a prompt with markers and units, after the begin token.

        As in the release, a space piece precedes a marker or unit at the start of the prompt.
        """
        return [self.bos, *self.pieces.encode(text)]

    def decode_string(self, ids: Iterable[SupportsInt]) -> str:
        """Return the text of ids with markers and units; begin, end and unknown pieces are left out."""
        return self.pieces.decode([int(piece) for piece in ids if int(piece) not in self.special])

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, encoded word by word, without begin and end; symbols are encoded as plain text."""
        ids: list[int] = []
        for word in text.split():
            ids += self._word(word)
        return ids

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Return the ids of each word; concatenated, they are the ids of the text."""
        return [list(self._word(word)) for word in words]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        # "[Hu1]" in a text is not a unit: "[" and "Hu1]" are encoded separately, so that no unit is matched.
        first, *rest = SYMBOL.split(word)
        ids: list[int] = []
        for part in (f" {first}", *rest):
            ids += self._encode_without_space(part)
        return tuple(ids)

    def _encode_without_space(self, text: str) -> list[int]:
        """Return the ids of a text without the space that SentencePiece adds unless a symbol precedes the text."""
        ids = self.pieces.encode(f"{TEXT}{text}")
        return ids[ids.index(self.num_text) + 1 :]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, without markers, units and white space at the ends."""
        return self.decode_string(piece for piece in ids if piece < self.num_text).strip()

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.model``."""
        with atomic_file(Path(folder) / MODEL) as temporary:
            temporary.write_bytes(self.model)

    @classmethod
    def load(cls, folder: str | Path) -> "SentencePieceText":
        """Load the tokenizer of a Spirit LM language model.

        Args:
            folder: Folder that holds ``tokenizer.model``.

        Raises:
            FileNotFoundError: The folder has no ``tokenizer.model``.
        """
        path = Path(folder) / MODEL
        if not path.is_file():
            raise FileNotFoundError(f"no {MODEL} in {folder}: not the folder of a Spirit LM language model")
        with reading(path):
            return cls(path.read_bytes())
