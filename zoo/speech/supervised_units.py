"""Units that keep the transcript: a bottleneck in a speech encoder, and the head that reads through it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import OddKernelSize, Share, Size
from zoo.speech.bottleneck import Bottleneck, Bottlenecked, VectorQuantizer
from zoo.speech.context_layers import CONTEXT_LAYERS, ContextLayers
from zoo.speech.finite_scalar_quantizer import FiniteScalarQuantizer
from zoo.speech.transcript_labels import TranscriptLabels

BOTTLENECKS: dict[str, type[Bottleneck]] = {
    "VectorQuantizer": VectorQuantizer,
    "FiniteScalarQuantizer": FiniteScalarQuantizer,
}


class SupervisedQuantizer(nn.Module):
    """Quantizer whose units are trained to keep the transcript, as GLM-4-Voice's and CosyVoice's speech tokenizers.

    Args:
        bottleneck: Latents to units.
        layers: Trained layers between the features and the bottleneck; none if None.

    Raises:
        ValueError: If the layers and the bottleneck differ in width.
    """

    def __init__(self, bottleneck: Bottleneck, layers: ContextLayers | None = None) -> None:
        super().__init__()
        if layers is not None and layers.dim != bottleneck.dim:
            raise ValueError(
                f"the bottleneck takes latents of width {bottleneck.dim}, but the layers' are {layers.dim}"
            )
        self.layers = layers
        self.bottleneck = bottleneck

    @property
    def size(self) -> int:
        """Number of units."""
        return self.bottleneck.size

    @property
    def stream_size(self) -> int:
        """Number of values that ``forward`` may return."""
        return self.bottleneck.size

    @property
    def dim(self) -> int:
        """Width of the features."""
        return self.bottleneck.dim if self.layers is None else self.layers.input_dim

    def latents(self, features: Tensor, is_frame: Tensor | None = None) -> Tensor:
        """Return the latents that are quantized: (B, T, dim) -> (B, T, width of the bottleneck).

        Args:
            features: Features of the encoder, (B, T, dim).
            is_frame: True for the frames of each utterance, False for padding, (B, T); None if there is no padding.
        """
        return features if self.layers is None else self.layers(features, is_frame)

    def quantize(self, features: Tensor, is_frame: Tensor) -> tuple[Tensor, Bottlenecked]:
        """Return the codes of each frame, (B, T, width), zeros for padding, and the result of the bottleneck.

        Args:
            features: Features of the encoder, (B, T, dim).
            is_frame: True for the frames of each utterance, False for padding, (B, T).
        """
        latents = self.latents(features, is_frame)
        bottlenecked = self.bottleneck(latents[is_frame])
        codes = torch.zeros_like(latents)
        codes[is_frame] = bottlenecked.codes.to(codes.dtype)
        return codes, bottlenecked

    def forward(self, features: Tensor) -> Tensor:
        """Return the units of one utterance: (T, dim) -> (T,) int64."""
        return self.bottleneck.units(self.latents(features[None])[0])

    def log_probs(self, features: Tensor) -> Tensor:
        """Return log-probabilities of the units of each frame: (B, T, dim) -> (B, T, size)."""
        return self.bottleneck.log_probs(self.latents(features))

    def config(self) -> dict[str, Any]:
        """Return the classes and constructor arguments of the parts, as JSON can express them."""
        layers = None
        if self.layers is not None:
            layers = {"class": type(self.layers).__name__, "arguments": self.layers.config()}
        bottleneck = {"class": type(self.bottleneck).__name__, "arguments": self.bottleneck.config()}
        return {"bottleneck": bottleneck, "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SupervisedQuantizer":
        """Build a quantizer with random weights from what ``config`` returned.

        Raises:
            ValueError: If the configuration names an unknown class.
        """
        bottleneck = _build(config["bottleneck"], BOTTLENECKS, "bottleneck")
        layers = None if config["layers"] is None else _build(config["layers"], CONTEXT_LAYERS, "layers")
        return cls(bottleneck, layers)


def _build(config: dict[str, Any], known: dict[str, Any], kind: str) -> Any:
    if config["class"] not in known:
        raise ValueError(f"unknown {kind} {config['class']!r}; known are {', '.join(known)}")
    return known[config["class"]](**config["arguments"])


class ReadingHead(nn.Module):
    """Reads the transcript from codes: a convolution for positions, layers, and a linear layer to labels, for CTC.

    Args:
        dim: Width of the codes.
        labels: Labels, after which the blank is the last output.
        layers: Layers after the bottleneck, such as the remaining ones of the encoder; none if None.
        outputs_per_unit: Number of CTC outputs per unit; more than 1 where there are more labels than units in a
            second, as at 12.5 Hz.
        kernel_frames: Kernel size of the convolution, odd.
        dropout: Dropout of the codes and before the linear layer.

    Raises:
        ValueError: If the codes and the layers differ in width, or ``kernel_frames`` is even.
    """

    def __init__(
        self,
        dim: Size,
        labels: TranscriptLabels,
        layers: ContextLayers | None = None,
        outputs_per_unit: Size = 1,
        kernel_frames: OddKernelSize = 15,
        dropout: Share = 0.1,
    ) -> None:
        super().__init__()
        if layers is not None and layers.input_dim != dim:
            raise ValueError(f"the head's layers take codes of width {layers.input_dim}, but the codes' is {dim}")
        if kernel_frames % 2 == 0:
            raise ValueError(f"kernel_frames must be odd, so that it is centered on its frame, got {kernel_frames}")
        self.dim = dim
        self.num_labels = len(labels)
        self.outputs_per_unit = outputs_per_unit
        self.positions = nn.Conv1d(dim, dim, kernel_frames, padding=kernel_frames // 2, groups=dim)
        self.layers = layers
        width = dim if layers is None else layers.dim
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, outputs_per_unit * (len(labels) + 1))

    def forward(self, codes: Tensor, is_frame: Tensor) -> Tensor:
        """Return log-probabilities (B, T * outputs_per_unit, num_labels + 1) of the labels and of the blank.

        Args:
            codes: Codes, (B, T, dim), zeros for padding.
            is_frame: True for the frames of each utterance, False for padding, (B, T).
        """
        x = self.dropout(codes)
        x = x + F.gelu(self.positions(x.transpose(1, 2))).transpose(1, 2)
        if self.layers is not None:
            x = self.layers(x, is_frame)
        scores = self.output(self.dropout(self.norm(x)))
        return scores.unflatten(-1, (self.outputs_per_unit, -1)).flatten(1, 2).log_softmax(-1)
