"""Construction of generators by class name, selection of their streams, and synthesis in chunks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.tokens.units import Stream
from zoo.vocoder.generator import Generator
from zoo.vocoder.hifigan import HiFiGANGenerator
from zoo.vocoder.istft import ISTFTGenerator

GENERATORS: dict[str, type[Generator]] = {"HiFiGANGenerator": HiFiGANGenerator, "ISTFTGenerator": ISTFTGenerator}


def build_generator(config: Mapping[str, Any], path: Path) -> Generator:
    """Build a generator with new weights.

    Args:
        config: Attribute ``config`` of a generator, with the name of its class under ``class``.
        path: File that the configuration was read from, for the error message.

    Raises:
        ValueError: If there is no generator class of this name.
    """
    name = config["class"]
    if name not in GENERATORS:
        raise ValueError(f"{path}: unknown generator {name!r}; known are {', '.join(GENERATORS)}")
    arguments = {key: value for key, value in config.items() if key != "class"}
    return GENERATORS[name].from_config(arguments)


def generator_streams(generator: Generator, streams: Sequence[Stream]) -> tuple[Stream, ...]:
    """Return the generator's streams among those of a tokenizer, in the generator's order.

    Raises:
        ValueError: If the tokenizer lacks a stream of the generator, or their sizes or rates differ.
    """
    by_prefix = {stream.prefix: stream for stream in streams}
    for prefix, size in generator.streams.items():
        if prefix not in by_prefix or by_prefix[prefix].size != size:
            raise ValueError(
                f"the generator has {size} {prefix} units, the tokenizer {by_prefix.get(prefix) or 'no such stream'}"
            )
    chosen = tuple(by_prefix[prefix] for prefix in generator.streams)
    phonetic = chosen[0]
    if abs(phonetic.rate - generator.unit_rate) > 1e-6:
        raise ValueError(
            f"the generator takes {generator.unit_rate:g} units a second, but {phonetic.prefix} has {phonetic.rate:g}"
        )
    return chosen


@torch.inference_mode()
def synthesize_in_chunks(
    generator: Generator, frames: dict[str, Tensor], speaker: Tensor | None, style: Tensor | None, chunk_units: int
) -> Iterator[Tensor]:
    """Synthesize one utterance in chunks; concatenated, they are the waveform of all units.

    Args:
        generator: Generator, in evaluation mode.
        frames: Units (T,) of every stream by prefix, at the unit rate.
        speaker: Speaker index (1,), if there are several.
        style: Style index (1,), if there are several.
        chunk_units: Units in each chunk.
    """
    total = len(next(iter(frames.values())))
    context = generator.context_units
    samples = generator.samples_per_unit
    units = {prefix: row.unsqueeze(0) for prefix, row in frames.items()}  # (1, T)
    contour = generator.predict_contour(units, speaker, style)
    for start in range(0, total, chunk_units):
        end = min(start + chunk_units, total)
        # Synthesize units ``first`` to ``last``, and keep the samples of ``start`` to ``end``.
        first = max(0, start - context)
        last = min(end + context, total)
        waveform = generator.synthesize_chunk(units, speaker, style, contour, first, last)[0]
        yield waveform[(start - first) * samples : (end - first) * samples].clone()
