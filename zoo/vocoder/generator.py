"""What every generator, from units to a waveform, has in common."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from zoo.vocoder.harmonic_source import F0Contour

Sizes = TypeVar("Sizes")


class UnitEmbedding(nn.Module):
    """One embedding per stream, then speaker and style, side by side in that order (the order of Spirit LM).

    Args:
        streams: Number of units by prefix, in the order of their channels.
        dim: Width of each embedding.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: Of the style of a whole utterance, not the style stream; 0 for none.
    """

    def __init__(self, streams: dict[str, int], dim: int, num_speakers: int, num_styles: int) -> None:
        super().__init__()
        self.units = nn.ModuleDict({prefix: nn.Embedding(size, dim) for prefix, size in streams.items()})
        self.speaker = nn.Embedding(num_speakers, dim) if num_speakers else None
        self.style = nn.Embedding(num_styles, dim) if num_styles else None
        self.width = dim * (len(streams) + bool(num_speakers) + bool(num_styles))

    def forward(self, units: dict[str, Tensor], speaker: Tensor | None, style: Tensor | None) -> Tensor:
        """Map units (B, T) of each stream, speakers (B,) and styles (B,) to (B, width, T)."""
        parts = [table(units[prefix]) for prefix, table in self.units.items()]  # (B, T, dim) each
        for table, index in ((self.speaker, speaker), (self.style, style)):
            if table is not None:
                parts.append(table(index).unsqueeze(1).expand(-1, parts[0].shape[1], -1))
        return torch.cat(parts, dim=-1).transpose(1, 2)


class Generator(nn.Module):
    """A network from unit-rate streams to a waveform of ``samples_per_unit`` samples each.

    Args:
        streams: Number of units by prefix; the first is the phonetic one, which durations are predicted from.
        unit_rate: Units per second; every stream comes repeated to this rate.
        embedding_dim: Width of each embedding.
        num_speakers: 0 for a voice that nothing chooses.
        num_styles: 0 unless an utterance has a style besides its streams.
        sample_rate: Of the waveform, in Hz; a whole multiple of ``unit_rate``.

    Raises:
        ValueError: Where a unit would not last a whole number of samples.
    """

    config: dict[str, Any]
    context_units: int
    harmonics: int = 0

    def __init__(
        self,
        streams: dict[str, int],
        unit_rate: float,
        embedding_dim: int,
        num_speakers: int,
        num_styles: int,
        sample_rate: int,
    ) -> None:
        super().__init__()
        samples = sample_rate / unit_rate
        if not streams or abs(samples - round(samples)) > 1e-6:
            raise ValueError(
                f"streams {dict(streams)} at unit_rate {unit_rate} for a sample_rate of {sample_rate}: "
                f"want at least one stream and whole samples per unit, not {samples:.3f}"
            )
        self.streams, self.unit_rate, self.sample_rate = dict(streams), unit_rate, sample_rate
        self.num_speakers, self.num_styles, self.samples_per_unit = num_speakers, num_styles, round(samples)
        self.embed = UnitEmbedding(self.streams, embedding_dim, num_speakers, num_styles)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Generator":
        """Build a generator with new weights from the ``config`` of another, as ``vocoder.json`` stores it."""
        raise NotImplementedError

    def phonetic(self, units: Tensor) -> Tensor:
        """Embeddings of the first stream, for the duration predictor: (B, T) -> (B, T, embedding_dim)."""
        return next(iter(self.embed.units.values()))(units)

    def melody(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None = None,
        style: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> F0Contour | None:
        """What must be known of all units before a part of them is spoken; None where that is nothing. Arguments as of a call."""
        return None

    def part(
        self,
        units: dict[str, Tensor],
        speaker: Tensor | None,
        style: Tensor | None,
        melody: F0Contour | None,
        start: int,
        end: int,
    ) -> Tensor:
        """Speak units ``start`` to ``end`` of (B, T) as they sound with nothing around them, but in the melody of all."""
        return self({prefix: each[:, start:end] for prefix, each in units.items()}, speaker, style)

    def remove_weight_norm(self) -> None:
        """Fold weight norm into the weights: same output, less work; for inference."""
        for module in self.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")

    def add_weight_norm(self) -> None:
        """Put back what ``remove_weight_norm`` took away: same output; to train further. Nothing for a network made without it."""


def split_config(sizes: type[Sizes], config: Mapping[str, Any]) -> tuple[Sizes, dict[str, Any]]:
    """Split a flat configuration into the sizes of the network, a dataclass, and the other arguments of the generator."""
    names = {field.name for field in fields(sizes)}
    of_network = {name: value for name, value in config.items() if name in names}
    others = {name: value for name, value in config.items() if name not in names}
    return sizes(**of_network), others
