"""Pretraining of HuBERT: the network, its masks, and the labels of its frames (Hsu et al. 2021, arXiv 2106.07447)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel

from zoo.ranges import KernelSize, NumLayers, Share, Size

# HuBERT's seven convolutions from 16 kHz to 50 Hz, and one more that halves the rate, as in TWIST and Spirit LM.
KERNELS_25HZ = (10, 3, 3, 3, 3, 2, 2, 2)
STRIDES_25HZ = (5, 2, 2, 2, 2, 2, 2, 2)


def hubert(
    hidden_size: Size = 768,
    num_layers: NumLayers = 12,
    num_heads: Size = 12,
    intermediate_size: Size = 3072,
    conv_dim: Size = 512,
    conv_kernel: Sequence[KernelSize] = KERNELS_25HZ,
    conv_stride: Sequence[Size] = STRIDES_25HZ,
    position_kernel: Size = 128,
    position_groups: Size = 16,
    dropout: Share = 0.1,
    layer_drop: Share = 0.05,
) -> HubertModel:
    """Return a transformers HuBERT with random weights; the defaults are the base size at 25 Hz.

    Args:
        hidden_size: Width of the transformer.
        num_layers: Number of transformer layers.
        num_heads: Number of attention heads; must divide ``hidden_size``.
        intermediate_size: Width of the feed-forward layers.
        conv_dim: Channels of the convolutions over the waveform.
        conv_kernel: Kernel size of each convolution.
        conv_stride: Stride of each convolution. Their product is the number of samples between two frames, 640 at 25
            Hz.
        position_kernel: Kernel size of the positional convolution.
        position_groups: Groups of the positional convolution; must divide ``hidden_size``.
        dropout: Dropout of the transformer.
        layer_drop: Probability that a transformer layer is skipped in a training step.

    Raises:
        ValueError: If ``conv_kernel`` and ``conv_stride`` differ in length, or ``num_heads`` or ``position_groups``
            does not divide ``hidden_size``.
    """
    if len(conv_kernel) != len(conv_stride):
        raise ValueError(
            f"conv_kernel has {len(conv_kernel)} layers and conv_stride {len(conv_stride)}: give each layer both"
        )
    if hidden_size % num_heads or hidden_size % position_groups:
        raise ValueError(
            f"hidden_size {hidden_size} must be a multiple of num_heads {num_heads} "
            f"and position_groups {position_groups}"
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
    """Head that predicts units by the cosine similarity of frames to unit embeddings, divided by a temperature.

    Args:
        hidden_size: Width of the network's output.
        num_units: Number of units.
        dim: Width of the space in which frames and units are compared.
        temperature: Divisor of the cosine similarities; a lower value makes the distribution sharper.
    """

    def __init__(self, hidden_size: int, num_units: int, dim: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden_size, dim)
        self.units = nn.Parameter(torch.rand(num_units, dim))
        self.temperature = temperature

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits of the units: (..., hidden_size) -> (..., num_units)."""
        frames = F.normalize(self.projection(hidden).float(), dim=-1)
        units = F.normalize(self.units.float(), dim=-1)
        return frames @ units.T / self.temperature


def mask_spans(
    batch_size: int, num_frames: int, share: float, span_frames: int, device: torch.device | None = None
) -> Tensor:
    """Return a mask (batch_size, num_frames), True in masked frames: the same number of random spans in every row.

    Spans may overlap, so the masked share may be less than ``share``. Random numbers come from torch's global
    generator.

    Args:
        batch_size: Number of rows.
        num_frames: Number of frames in each row.
        share: Share of the frames that would be masked if no spans overlapped; 0.8 in HuBERT.
        span_frames: Length of a span in frames; 200 ms in HuBERT.
        device: Device of the result; the CPU if None.
    """
    span_frames = min(span_frames, num_frames)
    num_starts = num_frames - span_frames + 1
    num_spans = min(max(1, round(share * num_frames / span_frames)), num_starts)
    # One random number per possible start: the starts with the largest numbers are a draw without replacement.
    starts = torch.rand(batch_size, num_starts, device=device).topk(num_spans).indices
    masked = (starts[:, :, None] + torch.arange(span_frames, device=device)).flatten(1)
    return torch.zeros(batch_size, num_frames, dtype=torch.bool, device=device).scatter(1, masked, True)


def frame_labels(
    labels: np.ndarray, first_label_seconds: float, label_rate: float, centers_seconds: np.ndarray
) -> np.ndarray:
    """Return, for each frame, the label that is nearest in time: (T,) -> (frames,).

    Args:
        labels: Labels of the whole waveform, (T,).
        first_label_seconds: Time of the center of the first label, in seconds.
        label_rate: Labels per second.
        centers_seconds: Times of the centers of the frames, in seconds, (frames,).
    """
    nearest = np.floor((centers_seconds - first_label_seconds) * label_rate + 0.5).astype(np.int64)
    return labels[np.clip(nearest, 0, len(labels) - 1)]
