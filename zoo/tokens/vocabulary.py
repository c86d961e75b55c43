"""One id space for text pieces, modality markers and speech units."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zoo.files import write_text
from zoo.tokens.sentencepiece_tokenizer import SentencePieceText
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.units import Stream, Tokens

TEXT, SPEECH = "[Text]", "[Speech]"
TEXT_TOKENIZERS = {kind.__name__: kind for kind in (TextTokenizer, SentencePieceText)}


class Vocabulary:
    """Text pieces first, then ``[Text]``, ``[Speech]``, then the units of each stream: the order of Spirit LM.

    Args:
        text: Its ids are kept as they are.
        streams: Of the speech tokenizer, in the order their units are numbered.
        multiple: The rows of an embedding are padded to a multiple of this.
    """

    def __init__(self, text: TextTokenizer | SentencePieceText, streams: Sequence[Stream], multiple: int = 64) -> None:
        self.text, self.streams, self.multiple = text, tuple(streams), multiple
        self.bos, self.eos = text.bos, text.eos
        self.num_text = len(text)
        self.text_marker, self.speech_marker = self.num_text, self.num_text + 1
        self.first_unit = self.num_text + 2
        sizes = [stream.size for stream in self.streams]
        self.offsets = self.first_unit + np.cumsum([0, *sizes])
        self.ranges = {s.prefix: range(int(a), int(b)) for s, a, b in zip(self.streams, self.offsets, self.offsets[1:])}

    def __len__(self) -> int:
        """Ids in use; those from here to ``num_rows`` are padding and never produced."""
        return int(self.offsets[-1])

    @property
    def num_rows(self) -> int:
        """Rows of an embedding over this vocabulary."""
        return -(-len(self) // self.multiple) * self.multiple

    def speech_ids(self, tokens: Tokens) -> np.ndarray:
        """Ids of speech tokens, (N,) int64."""
        return self.offsets[tokens.stream] + tokens.unit

    def tokens(self, ids: np.ndarray) -> Tokens:
        """Speech tokens of ids (N,); ids that are no units are left out."""
        ids = np.asarray(ids)
        ids = ids[(ids >= self.first_unit) & (ids < len(self))]
        stream = np.searchsorted(self.offsets, ids, side="right") - 1
        return Tokens(self.streams, stream, ids - self.offsets[stream])

    def is_unit(self, ids: Tensor) -> Tensor:
        """Which ids are speech units, of the shape of ``ids``."""
        return (ids >= self.first_unit) & (ids < len(self))

    def is_text(self, ids: Tensor) -> Tensor:
        """Which ids are text pieces (begin and end among them), of the shape of ``ids``."""
        return ids < self.num_text

    @property
    def contract(self) -> dict[str, Any]:
        ranges = {"text": [0, self.num_text], "markers": [self.text_marker, self.first_unit]}
        ranges |= {prefix: [ids.start, ids.stop] for prefix, ids in self.ranges.items()}
        return {
            "text_checksum": self.text.checksum,
            "bos": self.bos,
            "eos": self.eos,
            "ranges": ranges,
            "rows": self.num_rows,
        }

    def save(self, folder: Path) -> None:
        self.text.save(folder)
        form = {
            "text": type(self.text).__name__,
            "streams": [asdict(s) for s in self.streams],
            "multiple": self.multiple,
            "contract": self.contract,
        }
        write_text(folder / "vocabulary.json", json.dumps(form, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Vocabulary":
        """Raises: FileNotFoundError where the folder holds no vocabulary."""
        path = Path(folder) / "vocabulary.json"
        if not path.is_file():
            raise FileNotFoundError(f"no vocabulary.json in {folder}: run the stage that makes the vocabulary first")
        form = json.loads(path.read_text())
        return cls(
            TEXT_TOKENIZERS[form.get("text", "TextTokenizer")].load(folder),
            [Stream(**s) for s in form["streams"]],
            form["multiple"],
        )
