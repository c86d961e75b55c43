"""One id space for text pieces, modality markers and speech units."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from zoo.files import read_json_object, reading, write_text
from zoo.tokens.contract import require_equal
from zoo.tokens.merged_streams import Tokens
from zoo.tokens.sentencepiece_tokenizer import SentencePieceText
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.units import Stream

TEXT = "[Text]"
SPEECH = "[Speech]"
TEXT_TOKENIZERS = {kind.__name__: kind for kind in (TextTokenizer, SentencePieceText)}


class Vocabulary:
    """Text pieces first, then ``[Text]``, ``[Speech]``, then the units of each stream: the order of Spirit LM.

    Args:
        text: Text tokenizer, whose ids are kept as they are.
        streams: Streams of the speech tokenizer, in the order in which their units are numbered.
        multiple: Number of which ``num_rows``, the size of the embedding, is a multiple.
    """

    def __init__(self, text: TextTokenizer | SentencePieceText, streams: Sequence[Stream], multiple: int = 64) -> None:
        self.text = text
        self.streams = tuple(streams)
        self.multiple = multiple
        self.bos = text.bos
        self.eos = text.eos
        self.num_text = len(text)
        self.text_marker = self.num_text
        self.speech_marker = self.num_text + 1
        self.first_unit = self.num_text + 2
        sizes = [stream.size for stream in self.streams]
        # First id of each stream, and the end, (num_streams + 1,).
        self.offsets = self.first_unit + np.cumsum([0, *sizes])
        self.ranges: dict[str, range] = {}
        for stream, start, end in zip(self.streams, self.offsets[:-1], self.offsets[1:], strict=True):
            self.ranges[stream.prefix] = range(int(start), int(end))

    def __len__(self) -> int:
        """Return the number of ids in use; ids from this number to ``num_rows`` are padding that never occurs."""
        return int(self.offsets[-1])

    @property
    def num_rows(self) -> int:
        """Number of rows of an embedding over this vocabulary, padding included."""
        return math.ceil(len(self) / self.multiple) * self.multiple

    def speech_ids(self, tokens: Tokens) -> np.ndarray:
        """Return the ids of speech tokens, (N,) int64."""
        return self.offsets[tokens.stream] + tokens.unit

    def tokens(self, ids: np.ndarray) -> Tokens:
        """Return the speech tokens of ids (N,); ids that are not units are left out."""
        ids = np.asarray(ids)
        ids = ids[(ids >= self.first_unit) & (ids < len(self))]
        stream = np.searchsorted(self.offsets, ids, side="right") - 1
        return Tokens(self.streams, stream, ids - self.offsets[stream])

    def is_unit(self, ids: Tensor) -> Tensor:
        """Return a mask of the ids that are speech units, of the shape of ``ids``."""
        return (ids >= self.first_unit) & (ids < len(self))

    def is_text(self, ids: Tensor) -> Tensor:
        """Return a mask of the ids that are text pieces, including begin and end, of the shape of ``ids``."""
        return ids < self.num_text

    @property
    def contract(self) -> dict[str, Any]:
        """Fields that must be equal wherever ids of this vocabulary are used."""
        ranges = {"text": [0, self.num_text], "markers": [self.text_marker, self.first_unit]}
        for prefix, ids in self.ranges.items():
            ranges[prefix] = [ids.start, ids.stop]
        return {
            "text_checksum": self.text.checksum,
            "bos": self.bos,
            "eos": self.eos,
            "ranges": ranges,
            "rows": self.num_rows,
        }

    def save(self, folder: Path | str) -> None:
        """Write the text tokenizer and ``vocabulary.json`` into a folder."""
        folder = Path(folder)
        self.text.save(folder)
        config = {
            "text": type(self.text).__name__,
            "streams": [asdict(stream) for stream in self.streams],
            "multiple": self.multiple,
            "contract": self.contract,
        }
        write_text(folder / "vocabulary.json", json.dumps(config, indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> "Vocabulary":
        """Load the vocabulary that was saved in a folder.

        Raises:
            FileNotFoundError: The folder holds no vocabulary.
            ContractError: The text tokenizer or the streams are not those that were saved.
            ValueError: A file is damaged or of another kind.
        """
        folder = Path(folder)
        path = Path(folder) / "vocabulary.json"
        if not path.is_file():
            raise FileNotFoundError(f"no vocabulary.json in {folder}: run the stage that makes the vocabulary first")
        config = read_json_object(path)
        with reading(path):
            text = TEXT_TOKENIZERS[config.get("text", "TextTokenizer")].load(folder)
            streams = [Stream(**stream) for stream in config["streams"]]
            vocabulary = cls(text, streams, config["multiple"])
            require_equal(path, config["contract"], vocabulary.contract, "contract")
        return vocabulary
