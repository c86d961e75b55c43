"""Speech tokenizers: a waveform to streams of units, saved to and loaded from one folder."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo.files import atomic_folder, read_json_object, reading
from zoo.ranges import Seconds
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.style_units import StyleUnits
from zoo.speech.unit_extractor import UnitExtractor, find_class
from zoo.tokens.contract import FILE as CONTRACT
from zoo.tokens.contract import checksum, read_contract, require_equal, write_contract
from zoo.tokens.merged_streams import Tokens, merge, parse
from zoo.tokens.units import Stream

FILE = "tokenizer.json"
PREFIXES = ("Hu", "Pi", "St")  # the order in which streams are numbered
MIN_SECONDS = 0.08  # as Spirit LM
CHUNK_SECONDS = 100.0


class SpeechTokenizer(nn.Module, ABC):
    """What every speech tokenizer offers; its contract states its streams and a checksum of its weights.

    Attributes:
        streams: Kinds of units that it makes.
        sample_rate: Sample rate of the waveforms that it takes, in Hz.
        chunk_seconds: Length in seconds of the chunks in which longer waveforms are encoded, each by itself.
    """

    streams: tuple[Stream, ...]
    sample_rate: int
    chunk_seconds: float = CHUNK_SECONDS

    @abstractmethod
    def encode(self, waveform: Tensor) -> dict[str, np.ndarray]:
        """Return the raw units (T,) by prefix of one waveform (num_samples,); empty if the waveform is too short."""

    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[dict[str, np.ndarray]]:
        """Return the raw units of several waveforms, each equal to what ``encode`` returns for it."""
        return [self.encode(waveform) for waveform in waveforms]

    def tokens(self, waveform: Tensor) -> Tokens:
        """Return the deduplicated, merged tokens of one waveform (num_samples,)."""
        return merge(self.encode(waveform), self.streams)

    def parse(self, text: str) -> Tokens:
        """Return the tokens of a string such as ``[Hu12][Hu7]``."""
        return parse(text, self.streams)

    @cached_property
    def contract(self) -> dict[str, Any]:
        """What must agree wherever tokens of this tokenizer are used."""
        return {"tokenizer": {"streams": [vars(stream) for stream in self.streams], "checksum": self.checksum()}}

    def checksum(self) -> str:
        """Return a hash of everything that the units depend on."""
        state = dict(sorted(self.state_dict().items()))
        return checksum([type(self).__name__, *state, *state.values()])


class UnitTokenizer(SpeechTokenizer):
    """Any set of unit extractors, one for each stream: phonetic and pitch, phonetic and style, a stream of your own.

    Speech of any length is encoded in chunks, whose units are joined. A waveform, or its rest after the last whole
    chunk, has no units in any stream if it is shorter than 80 ms or than what one of the extractors needs.

    Args:
        extractors: Unit extractors in any order; streams are numbered in the order Hu, Pi, St, others after them.
        chunk_seconds: Length of the chunks in seconds. The units depend on it, and so does the contract.

    Raises:
        ValueError: There is no extractor, two make the same stream, or they take different sample rates.
    """

    def __init__(self, extractors: Sequence[UnitExtractor], chunk_seconds: Seconds = CHUNK_SECONDS) -> None:
        super().__init__()
        _check(extractors, chunk_seconds)
        ordered = sorted(extractors, key=_stream_number)
        self.extractors = nn.ModuleDict({extractor.stream.prefix: extractor for extractor in ordered})
        self.streams = tuple(extractor.stream for extractor in ordered)
        self.sample_rate = ordered[0].sample_rate
        shortest = [extractor.min_samples for extractor in ordered]
        self.min_samples: int = max(round(MIN_SECONDS * self.sample_rate), *shortest)
        self.chunk_seconds = chunk_seconds
        self.eval()

    @property
    def unit_extractors(self) -> dict[str, UnitExtractor]:
        """The extractors by prefix, in the order of the streams."""
        return cast(dict[str, UnitExtractor], dict(self.extractors.items()))

    def encode(self, waveform: Tensor) -> dict[str, np.ndarray]:
        return self.encode_batch([waveform])[0]

    @torch.inference_mode()
    def encode_batch(self, waveforms: Sequence[Tensor]) -> list[dict[str, np.ndarray]]:
        chunks_of_waveforms = [self.chunks(waveform) for waveform in waveforms]
        all_chunks: list[Tensor] = []
        for chunks in chunks_of_waveforms:
            all_chunks += chunks
        results: list[dict[str, np.ndarray]] = [{} for _ in waveforms]
        for prefix, extractor in self.unit_extractors.items():
            units_of_chunks = iter(self._encode_chunks(extractor, all_chunks))
            for result, chunks in zip(results, chunks_of_waveforms, strict=True):
                # The empty array makes the result of a waveform without chunks.
                parts = [np.zeros(0, dtype=np.int64)]
                parts += [next(units_of_chunks) for _ in chunks]
                result[prefix] = np.concatenate(parts)
        return results

    def _encode_chunks(self, extractor: UnitExtractor, chunks: list[Tensor]) -> list[np.ndarray]:
        """Return the units of each chunk; no more speech is encoded at once than a whole chunk has."""
        units: list[np.ndarray] = []
        batch: list[Tensor] = []
        for chunk in chunks:
            if batch and sum(map(len, batch)) + len(chunk) > self.chunk_seconds * self.sample_rate:
                units += extractor.encode_batch(batch)
                batch = []
            batch.append(chunk)
        return units + (extractor.encode_batch(batch) if batch else [])

    def chunks(self, waveform: Tensor) -> list[Tensor]:
        """Return the chunks of a waveform (num_samples,) that are long enough to have units."""
        chunks = waveform.split(round(self.chunk_seconds * self.sample_rate))
        return [chunk for chunk in chunks if len(chunk) >= self.min_samples]

    @cached_property
    def extractor_checksums(self) -> dict[str, str]:
        """Checksum of each extractor by prefix."""
        return {prefix: extractor.checksum() for prefix, extractor in self.unit_extractors.items()}

    def checksum(self) -> str:
        """Return the checksum of the only extractor, or a hash of those of all."""
        parts = list(self.extractor_checksums.values())
        if self.chunk_seconds != CHUNK_SECONDS:
            parts.append(f"chunks of {self.chunk_seconds:g} s")
        return parts[0] if len(parts) == 1 else checksum(parts)

    @cached_property
    def contract(self) -> dict[str, Any]:
        """Streams and checksum; of several extractors the checksum of each, so that a mismatch names the extractor."""
        tokenizer = super().contract["tokenizer"]
        contract = {"streams": tokenizer["streams"]}
        if len(self.extractor_checksums) > 1:
            contract["parts"] = self.extractor_checksums
        contract["checksum"] = tokenizer["checksum"]
        return {"tokenizer": contract}

    def save(self, folder: Path | str) -> None:
        """Write ``tokenizer.json``, a folder for each extractor, named by its prefix, and the contract.

        The folder appears complete or not at all.
        """
        folder = Path(folder)
        with atomic_folder(folder) as out:
            config = {
                "class": type(self).__name__,
                "chunk_seconds": self.chunk_seconds,
                "extractors": {prefix: type(part).__name__ for prefix, part in self.extractors.items()},
            }
            (out / FILE).write_text(json.dumps(config, indent=2) + "\n")
            for prefix, extractor in self.unit_extractors.items():
                extractor.save(out / prefix)
            write_contract(out, self.contract)

    @classmethod
    def from_extractors(cls, extractors: Sequence[UnitExtractor], chunk_seconds: float) -> Self:
        """Return a tokenizer of extractors in the order of their streams."""
        return cls(extractors, chunk_seconds)


def _stream_number(extractor: UnitExtractor) -> int:
    prefix = extractor.stream.prefix
    return PREFIXES.index(prefix) if prefix in PREFIXES else len(PREFIXES)


def _check(extractors: Sequence[UnitExtractor], chunk_seconds: float) -> None:
    prefixes = [extractor.stream.prefix for extractor in extractors]
    sample_rates = {extractor.stream.prefix: extractor.sample_rate for extractor in extractors}
    if not prefixes or len(set(prefixes)) < len(prefixes):
        raise ValueError(f"a tokenizer has one extractor for each of its streams, got {', '.join(prefixes) or 'none'}")
    if len(set(sample_rates.values())) > 1:
        raise ValueError(f"the extractors of a tokenizer take speech of one sample rate, got {sample_rates}")
    if chunk_seconds <= MIN_SECONDS:
        raise ValueError(f"chunk_seconds must be more than {MIN_SECONDS}, got {chunk_seconds}")


class Base(UnitTokenizer):
    """Phonetic units alone, as Spirit LM Base.

    Args:
        phonetic: Extractor of the stream Hu.
        chunk_seconds: Length of the chunks in seconds.
    """

    def __init__(self, phonetic: UnitExtractor, chunk_seconds: Seconds = CHUNK_SECONDS) -> None:
        super().__init__([phonetic], chunk_seconds)

    @classmethod
    def from_extractors(cls, extractors: Sequence[UnitExtractor], chunk_seconds: float) -> Self:
        return cls(*extractors, chunk_seconds=chunk_seconds)


class Expressive(UnitTokenizer):
    """Phonetic, pitch and style units, as Spirit LM Expressive.

    Args:
        phonetic: Extractor of the stream Hu.
        pitch: Extractor of the stream Pi.
        style: Extractor of the stream St.
        chunk_seconds: Length of the chunks in seconds.
    """

    def __init__(
        self,
        phonetic: UnitExtractor,
        pitch: UnitExtractor,
        style: UnitExtractor,
        chunk_seconds: Seconds = CHUNK_SECONDS,
    ) -> None:
        super().__init__([phonetic, pitch, style], chunk_seconds)

    @classmethod
    def from_extractors(cls, extractors: Sequence[UnitExtractor], chunk_seconds: float) -> Self:
        return cls(*extractors, chunk_seconds=chunk_seconds)


# Classes that ``tokenizer.json`` may name.
TOKENIZERS: dict[str, type[UnitTokenizer]] = {
    "UnitTokenizer": UnitTokenizer,
    "Base": Base,
    "Expressive": Expressive,
}
EXTRACTORS: dict[str, type[UnitExtractor]] = {
    "PhoneticUnits": PhoneticUnits,
    "PitchUnits": PitchUnits,
    "StyleUnits": StyleUnits,
}


def load_tokenizer(folder: Path | str) -> UnitTokenizer:
    """Load the tokenizer that was saved in a folder.

    Raises:
        FileNotFoundError: The folder holds no tokenizer, or lacks one of its extractors.
        ContractError: The weights or configurations are not those that were saved.
        ValueError: A file is damaged, or the tokenizer or one of its extractors is of an unknown class.
    """
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {FILE} in {folder}: run the tokenizer stage first, or name another folder")
    config = read_json_object(path)
    with reading(path):
        tokenizer_class = find_class(config["class"], TOKENIZERS, "tokenizer", path)
        extractors = []
        for prefix, name in config["extractors"].items():
            extractor_class = find_class(name, EXTRACTORS, "unit extractor", path)
            extractors.append(extractor_class.load(folder / prefix))
        tokenizer = tokenizer_class.from_extractors(extractors, config["chunk_seconds"])
    contract = read_contract(folder)
    require_equal(folder / CONTRACT, contract.get("tokenizer", {}), tokenizer.contract["tokenizer"], "tokenizer")
    return tokenizer
