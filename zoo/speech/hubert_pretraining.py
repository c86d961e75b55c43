"""A HuBERT to be pretrained: the network, its masks, and the labels of its frames (Hsu et al. 2021, arXiv 2106.07447)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel

# 16 kHz to 25 Hz: HuBERT's seven layers to 50 Hz, and one more that halves the rate, as TWIST and Spirit LM have it.
KERNELS_25HZ = (10, 3, 3, 3, 3, 2, 2, 2)
STRIDES_25HZ = (5, 2, 2, 2, 2, 2, 2, 2)


def hubert(
    hidden_size: int = 768,
    num_layers: int = 12,
    num_heads: int = 12,
    intermediate_size: int = 3072,
    conv_dim: int = 512,
    conv_kernel: Sequence[int] = KERNELS_25HZ,
    conv_stride: Sequence[int] = STRIDES_25HZ,
    position_kernel: int = 128,
    position_groups: int = 16,
    dropout: float = 0.1,
    layer_drop: float = 0.05,
) -> HubertModel:
    """A transformers HuBERT with random weights; by default the base size at 25 Hz.

    Args:
        hidden_size: Width.
        num_layers: Transformer layers.
        num_heads: Of attention; must divide ``hidden_size``.
        intermediate_size: Width of the feed-forward layers.
        conv_dim: Channels of the convolutions over the waveform.
        conv_kernel: Taps of each of them.
        conv_stride: Step of each; their product is the samples between two frames, 640 for 25 Hz.
        position_kernel: Taps of the convolution that tells where a frame stands.
        position_groups: Of its channels.
        dropout: In the transformer.
        layer_drop: Chance that a transformer layer is left out in a training step.

    Raises:
        ValueError: Where kernels and strides differ in number, or the heads do not divide the width.
    """
    if len(conv_kernel) != len(conv_stride):
        raise ValueError(
            f"conv_kernel has {len(conv_kernel)} layers and conv_stride {len(conv_stride)}: give each layer both"
        )
    if hidden_size % num_heads or hidden_size % position_groups:
        raise ValueError(
            f"hidden_size {hidden_size} must be a multiple of num_heads {num_heads} and position_groups {position_groups}"
        )
    return HubertModel(
        HubertConfig(
            hidden_size=hidden_size,
            num_hidden_layers=num_layers,
            num_attention_heads=num_heads,
            intermediate_size=intermediate_size,
            conv_dim=(conv_dim,) * len(conv_kernel),
            conv_kernel=tuple(conv_kernel),
            conv_stride=tuple(conv_stride),
            num_feat_extract_layers=len(conv_kernel),
            num_conv_pos_embeddings=position_kernel,
            num_conv_pos_embedding_groups=position_groups,
            hidden_dropout=dropout,
            attention_dropout=dropout,
            activation_dropout=0.0,
            feat_proj_dropout=dropout,
            layerdrop=layer_drop,
        )
    )


class UnitPredictor(nn.Module):
    """Scores of the units of masked frames: cosine similarity to an embedding of each unit, over a temperature.

    Args:
        hidden_size: Width of the network's output.
        num_units: Classes.
        dim: In which frames and units are compared.
        temperature: The lower, the sharper.
    """

    def __init__(self, hidden_size: int, num_units: int, dim: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden_size, dim)
        self.units = nn.Parameter(torch.rand(num_units, dim))
        self.temperature = temperature

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits: (..., hidden_size) -> (..., num_units)."""
        return (
            F.normalize(self.projection(hidden).float(), dim=-1)
            @ F.normalize(self.units.float(), dim=-1).T
            / self.temperature
        )


def mask_spans(rows: int, frames: int, share: float, length: int, device: torch.device | None = None) -> Tensor:
    """Frames (rows, frames) that are hidden: the same number of spans in every row, each at a place of its own.

    Spans may overlap, so that less than ``share`` is hidden; torch's own chance decides.

    Args:
        rows: Of the batch.
        frames: Of each row.
        share: Of the frames that spans without overlap would hide; HuBERT has 0.8.
        length: Frames in a span; HuBERT has 200 ms.
        device: Where the result is needed.
    """
    length = min(length, frames)
    count = min(max(1, round(share * frames / length)), frames - length + 1)
    starts = torch.rand(rows, frames - length + 1, device=device).topk(count).indices
    places = (starts[:, :, None] + torch.arange(length, device=device)).flatten(1)
    return torch.zeros(rows, frames, dtype=torch.bool, device=device).scatter(1, places, True)


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Samples that a frame of a stack of convolutions sees, and samples between two frames."""
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides):
        field, hop = field + (kernel - 1) * hop, hop * stride
    return field, hop


def frame_labels(
    labels: np.ndarray, first_label_seconds: float, label_rate: float, centers_seconds: np.ndarray
) -> np.ndarray:
    """For each frame the label whose middle is nearest to the frame's: (T,) -> (frames,).

    Args:
        labels: Of the whole waveform.
        first_label_seconds: Middle of the first label.
        label_rate: Labels per second.
        centers_seconds: Middles of the frames, (frames,).
    """
    nearest = np.floor((centers_seconds - first_label_seconds) * label_rate + 0.5).astype(np.int64)
    return labels[np.clip(nearest, 0, len(labels) - 1)]
