"""Speech tokenizers: a waveform to streams of units, saved to and loaded from one folder."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo.files import atomic_folder
from zoo.speech.phonetic_units import WEIGHTS, PhoneticUnits
from zoo.speech.unit_extractor import UnitExtractor
from zoo.tokens.contract import checksum, write_contract
from zoo.tokens.units import Stream, Tokens, merge, parse

FILE = "tokenizer.json"
PREFIXES = ("Hu", "Pi", "St")  # the order in which streams are numbered
MIN_SECONDS = 0.08  # as Spirit LM
CHUNK_SECONDS = 100.0
EXTRACTORS = {
    "PhoneticUnits": "zoo.speech.phonetic_units",
    "PitchUnits": "zoo.speech.pitch_units",
    "StyleUnits": "zoo.speech.style_units",
}


class SpeechTokenizer(nn.Module, ABC):
    """What every tokenizer offers; it states ``streams``, and its contract is made of them and of its weights.

    Longer waveforms than ``chunk_seconds`` are heard in chunks, each by itself.
    """

    streams: tuple[Stream, ...]
    sample_rate: int
    chunk_seconds: float = CHUNK_SECONDS

    @abstractmethod
    def encode(self, waveform: Tensor) -> dict[str, np.ndarray]:
        """Raw units (T,) by prefix of one waveform (num_samples,) at ``sample_rate``; empty where it is too short."""

    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[dict[str, np.ndarray]]:
        """Raw units of several waveforms, each equal to what ``encode`` gives for it alone."""
        return [self.encode(waveform) for waveform in waveforms]

    def tokens(self, waveform: Tensor) -> Tokens:
        """The deduplicated, merged tokens of one waveform (num_samples,)."""
        return merge(self.encode(waveform), self.streams)

    def parse(self, text: str) -> Tokens:
        """Tokens of their string form."""
        return parse(text, self.streams)

    @cached_property
    def contract(self) -> dict[str, Any]:
        return {"tokenizer": {"streams": [vars(stream) for stream in self.streams], "checksum": self.checksum()}}

    def checksum(self) -> str:
        """Hash of everything that the units depend on."""
        state = {name: tensor for name, tensor in sorted(self.state_dict().items())}
        return checksum([type(self).__name__, *state, *state.values()])


class UnitTokenizer(SpeechTokenizer):
    """Any set of unit extractors, one for each stream: phonetic and pitch, phonetic and style, a stream of your own.

    Speech of any length is heard in chunks, whose units are joined. Where a waveform, or what is left of it after the last
    whole chunk, is too short for one of the streams or for 80 ms, no stream has units of it.

    Args:
        extractors: In any order; streams are numbered in the order Hu, Pi, St, others after them.
        chunk_seconds: Longest piece that is heard at once. The units depend on it, and so does the contract.

    Raises:
        ValueError: Where there is none, two make the same stream, or they take different sample rates.
    """

    def __init__(self, extractors: Sequence[UnitExtractor], chunk_seconds: float = CHUNK_SECONDS) -> None:
        super().__init__()
        _check(extractors, chunk_seconds)
        ordered = sorted(
            extractors,
            key=lambda part: PREFIXES.index(part.stream.prefix) if part.stream.prefix in PREFIXES else len(PREFIXES),
        )
        self.extractors = nn.ModuleDict({part.stream.prefix: part for part in ordered})
        self.streams = tuple(part.stream for part in ordered)
        self.sample_rate = ordered[0].sample_rate
        self.min_samples = max(round(MIN_SECONDS * self.sample_rate), *(part.min_samples for part in ordered))
        self.chunk_seconds = chunk_seconds
        self.eval()

    def encode(self, waveform: Tensor) -> dict[str, np.ndarray]:
        return self.encode_batch([waveform])[0]

    @torch.inference_mode()
    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[dict[str, np.ndarray]]:
        chunks = [self.chunks(waveform) for waveform in waveforms]
        together = [chunk for row in chunks for chunk in row]
        found: list[dict[str, np.ndarray]] = [{} for _ in waveforms]
        for prefix, extractor in self.extractors.items():
            units = iter(extractor.encode_batch(together) if together else [])
            for row, pieces in zip(found, chunks):
                row[prefix] = np.concatenate([np.zeros(0, dtype=np.int64), *(next(units) for _ in pieces)])
        return found

    def chunks(self, waveform: Tensor) -> list[Tensor]:
        """The pieces of a waveform (num_samples,) that are heard, each by itself; none where it is too short."""
        pieces = waveform.split(round(self.chunk_seconds * self.sample_rate))
        return [piece for piece in pieces if len(piece) >= self.min_samples]

    @cached_property
    def parts(self) -> dict[str, str]:
        """Checksum of each extractor by prefix."""
        return {prefix: part.checksum() for prefix, part in self.extractors.items()}

    def checksum(self) -> str:
        """That of its only part, or of all together."""
        parts = list(self.parts.values())
        if self.chunk_seconds != CHUNK_SECONDS:
            parts.append(f"chunks of {self.chunk_seconds:g} s")
        return parts[0] if len(parts) == 1 else checksum(parts)

    @cached_property
    def contract(self) -> dict[str, Any]:
        """Streams and checksum; where there are several parts, the checksum of each, so that a mismatch names the part."""
        whole = super().contract["tokenizer"]
        parts = {"parts": self.parts} if len(self.parts) > 1 else {}
        return {"tokenizer": {"streams": whole["streams"], **parts, "checksum": whole["checksum"]}}

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json``, a folder for each part, named by its prefix, and the contract; the folder appears whole."""
        with atomic_folder(folder) as out:
            form = {
                "class": type(self).__name__,
                "chunk_seconds": self.chunk_seconds,
                "extractors": {prefix: type(part).__name__ for prefix, part in self.extractors.items()},
            }
            (out / FILE).write_text(json.dumps(form, indent=2) + "\n")
            for prefix, part in self.extractors.items():
                part.save(out / prefix)
            write_contract(out, self.contract)

    @classmethod
    def of(cls, extractors: Sequence[UnitExtractor], chunk_seconds: float) -> Self:
        """Make one of its parts in the order of their streams."""
        return cls(extractors, chunk_seconds)


def _check(extractors: Sequence[UnitExtractor], chunk_seconds: float) -> None:
    prefixes = [part.stream.prefix for part in extractors]
    rates = {part.stream.prefix: part.sample_rate for part in extractors}
    if not prefixes or len(set(prefixes)) < len(prefixes):
        raise ValueError(f"a tokenizer has one extractor for each of its streams, got {', '.join(prefixes) or 'none'}")
    if len(set(rates.values())) > 1:
        raise ValueError(f"the extractors of a tokenizer take speech of one sample rate, got {rates}")
    if chunk_seconds <= MIN_SECONDS:
        raise ValueError(f"chunk_seconds must be more than {MIN_SECONDS}, got {chunk_seconds}")


class Base(UnitTokenizer):
    """Phonetic units alone, as Spirit LM Base.

    Args:
        phonetic: Makes the stream Hu.
        chunk_seconds: Longest piece that is heard at once.
    """

    def __init__(self, phonetic: UnitExtractor, chunk_seconds: float = CHUNK_SECONDS) -> None:
        super().__init__([phonetic], chunk_seconds)

    @classmethod
    def of(cls, extractors: Sequence[UnitExtractor], chunk_seconds: float) -> Self:
        return cls(*extractors, chunk_seconds=chunk_seconds)


class Expressive(UnitTokenizer):
    """Phonetic, pitch and style units, as Spirit LM Expressive.

    Args:
        phonetic: Makes the stream Hu.
        pitch: Makes the stream Pi.
        style: Makes the stream St.
        chunk_seconds: Longest piece that is heard at once.
    """

    def __init__(
        self, phonetic: UnitExtractor, pitch: UnitExtractor, style: UnitExtractor, chunk_seconds: float = CHUNK_SECONDS
    ) -> None:
        super().__init__([phonetic, pitch, style], chunk_seconds)

    @classmethod
    def of(cls, extractors: Sequence[UnitExtractor], chunk_seconds: float) -> Self:
        return cls(*extractors, chunk_seconds=chunk_seconds)


TOKENIZERS = {kind.__name__: kind for kind in (UnitTokenizer, Base, Expressive)}


def load_tokenizer(folder: Path | str) -> UnitTokenizer:
    """Load whatever tokenizer was saved in a folder.

    Raises:
        FileNotFoundError: Where the folder holds no tokenizer, or one of its parts is missing.
        ValueError: Where it is of a kind that is not known here.
    """
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {FILE} in {folder}: run the tokenizer stage first, or name another folder")
    form = json.loads(path.read_text())
    if form["class"] not in TOKENIZERS:
        raise ValueError(f"{path}: unknown tokenizer {form['class']!r}; known are {', '.join(TOKENIZERS)}")
    if "extractors" not in form:
        return Base(PhoneticUnits.from_config(_before_parts(form, folder), folder))
    parts = [_extractor(kind, path).load(folder / prefix) for prefix, kind in form["extractors"].items()]
    return TOKENIZERS[form["class"]].of(parts, form["chunk_seconds"])


def _extractor(name: str, path: Path) -> type[UnitExtractor]:
    """The class of that name; imported only now, since pitch and style need libraries that Base does without."""
    if name not in EXTRACTORS:
        raise ValueError(f"{path}: unknown unit extractor {name!r}; known are {', '.join(EXTRACTORS)}")
    return getattr(import_module(EXTRACTORS[name]), name)


def _before_parts(form: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The phonetic part of a folder from before tokenizers had parts: k-means beside ``tokenizer.json``."""
    size, dim = load_file(folder / WEIGHTS)["centroids"].shape
    kmeans = {"num_clusters": size, "dim": dim, "switch_penalty": form["switch_penalty"]}
    return {
        "encoder": {"class": form["encoder"], "arguments": form["arguments"]},
        "quantizer": {"class": "KMeans", "arguments": kmeans},
        "clock": None,
    }
