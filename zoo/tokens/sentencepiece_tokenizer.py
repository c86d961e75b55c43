"""Text to ids and back through a SentencePiece model whose last pieces are modality markers and units."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import sentencepiece

from zoo.files import atomic_file
from zoo.tokens.contract import checksum

MODEL = "tokenizer.model"
TEXT, SPEECH = "[Text]", "[Speech]"
SYMBOL = re.compile(r"(?<=\[)(?=(?:Text|Speech|(?:Hu|Pi|St)\d+)\])")


class SentencePieceText:
    """The text side of an official Spirit LM tokenizer: Llama 2 pieces, then the markers and units as user-defined symbols.

    It stands where a ``TextTokenizer`` does: words are encoded apart, each with the space before it, and its ids are the
    text pieces alone. ``encode_string`` and ``decode_string`` read and write prompts as the release does, symbols included.

    Args:
        model: Serialised SentencePiece model.

    Raises:
        ValueError: Where the model has no begin or end piece, or lacks the markers.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.bos, self.eos = self.pieces.bos_id(), self.pieces.eos_id()
        self.num_text = self.pieces.piece_to_id(TEXT)
        if (
            min(self.bos, self.eos) < 0
            or self.num_text == self.pieces.unk_id()
            or self.pieces.piece_to_id(SPEECH) != self.num_text + 1
        ):
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
            ValueError: Where what follows the markers is not ``[Hu0]``, ``[Hu1]`` and so on, one stream after another.
        """
        sizes: dict[str, int] = {}
        for number in range(self.num_text + 2, self.pieces.get_piece_size()):
            piece = self.pieces.id_to_piece(number)
            prefix = piece[1:3]
            if piece != f"[{prefix}{sizes.get(prefix, 0)}]" or (prefix in sizes and prefix != list(sizes)[-1]):
                raise ValueError(
                    f"{MODEL}: piece {number} is {piece!r}; want units in order after {TEXT} and {SPEECH}, such as [Hu0]"
                )
            sizes[prefix] = sizes.get(prefix, 0) + 1
        return sizes

    def encode_string(self, text: str) -> list[int]:
        """Ids of a whole prompt, begin and symbols included; one that begins with a symbol begins with a lone space piece."""
        return [self.bos, *self.pieces.encode(text)]

    def decode_string(self, ids: Iterable[int]) -> str:
        """The opposite, without begin, end and unknown."""
        return self.pieces.decode([i for i in map(int, ids) if i not in self.special])

    def encode(self, text: str) -> list[int]:
        """Ids of a text, word by word, without begin or end; symbols in it are letters like others."""
        return [i for word in text.split() for i in self._word(word)]

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Ids of each word; joined, they are those of the text."""
        return [list(self._word(word)) for word in words]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        first, *rest = SYMBOL.split(word)  # "[Hu1]" in somebody's text is five letters and not a unit
        return tuple(i for part in (f" {first}", *rest) for i in self._bare(part))

    def _bare(self, text: str) -> list[int]:
        ids = self.pieces.encode(f"{TEXT}{text}")  # after a symbol no space is put before a text
        return ids[ids.index(self.num_text) + 1 :]

    def decode(self, ids: Iterable[int]) -> str:
        return self.decode_string(i for i in ids if i < self.num_text).strip()

    def save(self, folder: Path) -> None:
        with atomic_file(Path(folder) / MODEL) as temporary:
            temporary.write_bytes(self.model)

    @classmethod
    def load(cls, folder: str | Path) -> "SentencePieceText":
        """Raises: FileNotFoundError where the folder holds no ``tokenizer.model``."""
        path = Path(folder) / MODEL
        if not path.is_file():
            raise FileNotFoundError(f"no {MODEL} in {folder}: not the folder of a Spirit LM language model")
        return cls(path.read_bytes())
