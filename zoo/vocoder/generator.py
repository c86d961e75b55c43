"""Base class of the generators, which map units to a waveform, and their embedding of units, speaker and style."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from zoo.ranges import NumUnits, OptionalSize, Rate, SampleRate, Size
from zoo.vocoder.harmonic_source import F0Contour

Sizes = TypeVar("Sizes")


class UnitEmbedding(nn.Module):
    """Embeddings of the units of each stream, of speaker and of style, concatenated in this order, as in Spirit LM.

    Args:
        streams: Number of units of each stream by prefix, in the order in which their embeddings are concatenated.
        dim: Width of each embedding.
        num_speakers: Number of speakers; 0 for a single voice.
        num_styles: Number of styles of a whole utterance, which are independent of the style stream; 0 for none.
    """

    units: nn.ModuleDict
    speaker: nn.Embedding | None
    style: nn.Embedding | None

    def __init__(self, streams: dict[str, int], dim: int, num_speakers: int, num_styles: int) -> None:
        super().__init__()
        self.units = nn.ModuleDict({prefix: nn.Embedding(size, dim) for prefix, size in streams.items()})
        self.speaker = nn.Embedding(num_speakers, dim) if num_speakers else None
        self.style = nn.Embedding(num_styles, dim) if num_styles else None
        self.width = dim * (len(streams) + bool(num_speakers) + bool(num_styles))

    def forward(self, units: dict[str, Tensor], speaker: Tensor | None, style: Tensor | None) -> Tensor:
        """Map units (B, T) of each stream, speakers (B,) and styles (B,) to (B, width, T)."""
        parts = [table(units[prefix]) for prefix, table in self.units.items()]  # (B, T, dim) each
        length = parts[0].shape[1]
        for table, index in ((self.speaker, speaker), (self.style, style)):
            if table is not None:
                parts.append(table(index).unsqueeze(1).expand(-1, length, -1))
        return torch.cat(parts, dim=-1).transpose(1, 2)


class Generator(nn.Module, ABC):
    """Base class of networks that map streams at the unit rate to ``samples_per_unit`` samples for each unit.

    Args:
        streams: Number of units of each stream by prefix; durations are predicted from the first, phonetic stream.
        unit_rate: Units per second; the units of every stream are repeated to this rate.
        embedding_dim: Width of each embedding.
        num_speakers: Number of speakers; 0 for a single voice.
        num_styles: Number of styles of a whole utterance, beside the streams; 0 for none.
        sample_rate: Sample rate of the waveform in Hz; a multiple of ``unit_rate``.

    Attributes:
        config: Flat dictionary of the constructor arguments by name, as ``vocoder.json`` stores it.
        context_units: Number of units on either side of a unit that its samples depend on.
        harmonics: Number of tones of the harmonic source; 0 if there is no source.

    Raises:
        ValueError: If there are no streams, or a unit would not last a whole number of samples.
    """

    config: dict[str, Any]
    context_units: int
    harmonics: int = 0

    def __init__(
        self,
        streams: dict[str, NumUnits],
        unit_rate: Rate,
        embedding_dim: Size,
        num_speakers: OptionalSize,
        num_styles: OptionalSize,
        sample_rate: SampleRate,
    ) -> None:
        super().__init__()
        samples = sample_rate / unit_rate
        if not streams or abs(samples - round(samples)) > 1e-6:
            raise ValueError(
                f"streams {dict(streams)} at unit_rate {unit_rate} for a sample_rate of {sample_rate}: "
                f"want at least one stream and whole samples per unit, not {samples:.3f}"
            )
        self.streams = dict(streams)
        self.unit_rate = unit_rate
        self.sample_rate = sample_rate
        self.num_speakers = num_speakers
        self.num_styles = num_styles
        self.samples_per_unit = round(samples)
        self.embed = UnitEmbedding(self.streams, embedding_dim, num_speakers, num_styles)

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Generator":
        """Build a generator with new weights from the ``config`` of another, as ``vocoder.json`` stores it."""

    def phonetic(self, units: Tensor) -> Tensor:
        """Embed units of the phonetic stream for the duration predictor: (B, T) -> (B, T, embedding_dim)."""
        return next(iter(self.embed.units.values()))(units)

    def predict_contour(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> F0Contour | None:
        """Predict the F0 contour of all units, which must be known before a chunk of them is synthesized.

        Returns None for generators without a harmonic source.

        Args:
            units: Units (B, T) of each stream by prefix, at the unit rate.
            speaker: Speaker indices (B,), if there are several.
            style: Style indices (B,), if there are several.
            mask: True where there are units, (B, T); None for everywhere.
        """
        return None

    def synthesize_chunk(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None,
        style: Tensor | None,
        contour: F0Contour | None,
        start: int,
        end: int,
    ) -> Tensor:
        """Synthesize units ``start`` to ``end`` alone, but with the F0 contour predicted from all units.

        Args:
            units: Units (B, T) of each stream by prefix, at the unit rate.
            speaker: Speaker indices (B,), if there are several.
            style: Style indices (B,), if there are several.
            contour: Result of ``predict_contour`` for all units.
            start: Index of the first unit to synthesize.
            end: Index after the last unit to synthesize.
        """
        chunk = {prefix: stream[:, start:end] for prefix, stream in units.items()}
        return self(chunk, speaker, style)

    def remove_weight_norm(self) -> None:
        """Fold weight norm into the weights, for inference: the output is the same and takes less computation."""
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")

    def add_weight_norm(self) -> None:
        """Undo ``remove_weight_norm``, to train further; the output is the same.

        Does nothing for a generator that was built without weight norm.
        """


def split_config(sizes: type[Sizes], config: Mapping[str, Any]) -> tuple[Sizes, dict[str, Any]]:
    """Split a flat configuration into the sizes of the network and the other arguments of the generator.

    Args:
        sizes: Dataclass of the sizes.
        config: Arguments by name; those whose names are fields of ``sizes`` become its values.
    """
    names = {field.name for field in fields(sizes)}  # pyrefly: ignore[bad-argument-type]  # a dataclass
    network_arguments = {name: value for name, value in config.items() if name in names}
    other_arguments = {name: value for name, value in config.items() if name not in names}
    return sizes(**network_arguments), other_arguments
