"""A transformers speech encoder over many utterances at once, each as if it were alone.

Nothing is padded, so there is nothing to mask: the frames of all utterances stand one below another, (N, D). What looks at one frame
alone (linear layers, norms) takes them all together; what looks along time (convolutions, attention) takes each utterance by
itself. The convolutions go through time in short pieces, so that they stay in the processor's cache and need little memory.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

# Products of one to three rows take other kernels, with other roundings, than those of many.
MIN_ROWS = 16
# Output frames of the convolutions at a time: 2 s at 50 Hz on a processor; few launches on an accelerator.
PIECE_FRAMES = {"cpu": 100}
PIECE_FRAMES_ELSEWHERE = 1000


def encode_packed(network: PreTrainedModel, waveforms: Sequence[Tensor]) -> list[Tensor]:
    """Last hidden states (T, D) of each waveform (num_samples,).

    Args:
        network: A HuBERT, wav2vec 2.0 or WavLM. Where its attention needs to know the place of a frame (WavLM) the transformer
            layers take one utterance after the other.
        waveforms: Each at least as long as the receptive field of the convolutions.
    """
    with parametrize.cached():  # the positional convolution's weight norm, once for all rows
        rows = [_project(network, _convolve(network, waveform)) for waveform in waveforms]
        if not _attends_anywhere(network):
            return [network.encoder(row[None]).last_hidden_state[0] for row in rows]
        return _transform(network.encoder, rows)


def has_packed_form(network: PreTrainedModel) -> bool:
    """Whether ``encode_packed`` knows a network; those with an adapter after the encoder it does not."""
    parts = all(hasattr(network, name) for name in ("feature_extractor", "feature_projection", "encoder"))
    return parts and getattr(network, "adapter", None) is None and hasattr(network.feature_extractor, "conv_layers")


def _attends_anywhere(network: PreTrainedModel) -> bool:
    """Whether the attention is the plain one, without a bias for the distance of two frames."""
    return not any(hasattr(layer.attention, "gru_rel_pos_const") for layer in network.encoder.layers)


def _convolve(network: PreTrainedModel, waveform: Tensor) -> Tensor:
    """The convolutions over one waveform in pieces: (num_samples,) -> (T, C)."""
    layers = list(network.feature_extractor.conv_layers)
    if isinstance(getattr(layers[0], "layer_norm", None), nn.GroupNorm):
        layers[0] = _FoldedGroupNorm(layers[0], waveform)
    hop, field = 1, 1
    for conv in reversed([layer.conv for layer in layers]):
        hop, field = hop * conv.stride[0], (field - 1) * conv.stride[0] + conv.kernel_size[0]
    frames, step = (len(waveform) - field) // hop + 1, PIECE_FRAMES.get(waveform.device.type, PIECE_FRAMES_ELSEWHERE)
    pieces = []
    for start in range(0, frames, step):
        x = waveform[None, None, start * hop : (min(start + step, frames) - 1) * hop + field]
        for layer in layers:
            x = layer(x)
        pieces.append(x[0].T)
    return torch.cat(pieces)


class _FoldedGroupNorm:
    """The first convolution with a group norm over the whole of one waveform, made one convolution with other weights.

    A convolution of one channel is linear in the k samples that it sees, so mean and variance of its outputs follow from mean
    and covariance (k, k) of those; they are found before any output is made, and the waveform may then come in pieces.

    Args:
        layer: Of transformers' feature extractor, with as many groups as channels.
        waveform: (num_samples,), the whole of it.
    """

    def __init__(self, layer: nn.Module, waveform: Tensor) -> None:
        conv, norm = layer.conv, layer.layer_norm
        self.conv, self.activation = conv, layer.activation
        seen = waveform.double().unfold(0, conv.kernel_size[0], conv.stride[0])  # (T, k)
        mean = seen.mean(0)
        covariance = (seen - mean).T @ (seen - mean) / len(seen)
        taps = conv.weight[:, 0].double()  # (C, k)
        variance = ((taps @ covariance) * taps).sum(1).clamp(min=0)
        scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
        self.weight = (scale[:, None] * taps).to(waveform.dtype)[:, None]
        self.bias = (norm.bias.double() - scale * (taps @ mean)).to(waveform.dtype)  # a bias of the convolution cancels

    def __call__(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # cheap, and the one layer that sees raw samples
            return self.activation(F.conv1d(x, self.weight, self.bias, self.conv.stride))


def _project(network: PreTrainedModel, frames: Tensor) -> Tensor:
    """Frames of the convolutions to the width of the transformer: (T, C) -> (T, D)."""
    projected = network.feature_projection(_at_least(frames, MIN_ROWS))
    return (projected[0] if isinstance(projected, tuple) else projected)[: len(frames)]


def _transform(encoder: nn.Module, rows: list[Tensor]) -> list[Tensor]:
    """The transformer over rows of frames: (T, D) each."""
    lengths = [len(row) for row in rows]
    is_stable = any("StableLayerNorm" in type(layer).__name__ for layer in encoder.layers)
    x = torch.cat([row + encoder.pos_conv_embed(row[None])[0] for row in rows])
    x = _at_least(x, MIN_ROWS)
    if not is_stable:
        x = encoder.layer_norm(x)
    for layer in encoder.layers:
        x = _stable_layer(layer, x, lengths) if is_stable else _layer(layer, x, lengths)
    if is_stable:
        x = encoder.layer_norm(x)
    return list(x[: sum(lengths)].split(lengths))


def _layer(layer: nn.Module, x: Tensor, lengths: list[int]) -> Tensor:
    x = layer.layer_norm(x + _attend(layer.attention, x, lengths))
    return layer.final_layer_norm(x + layer.feed_forward(x))


def _stable_layer(layer: nn.Module, x: Tensor, lengths: list[int]) -> Tensor:
    x = x + _attend(layer.attention, layer.layer_norm(x), lengths)
    x = x + layer.feed_forward(layer.final_layer_norm(x))
    return x if layer.adapter_layer is None else x + layer.adapter_layer(x)


def _attend(attention: nn.Module, x: Tensor, lengths: list[int]) -> Tensor:
    """Self-attention within each row: (N, D) -> (N, D)."""
    heads = [
        project(x).unflatten(1, (attention.num_heads, -1)).transpose(0, 1)  # (H, N, D / H)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    ]
    rest = x.shape[0] - sum(lengths)  # rows that only fill up
    by_row = zip(*(part.split([*lengths, rest], dim=1) for part in heads))
    mixed = [F.scaled_dot_product_attention(q[None], k[None], v[None])[0] if q.shape[1] else q for q, k, v in by_row]
    return attention.out_proj(torch.cat(mixed, dim=1).transpose(0, 1).flatten(1))


def _at_least(x: Tensor, rows: int) -> Tensor:
    """Rows of zeros below (N, D) until there are so many."""
    return F.pad(x, (0, 0, 0, rows - len(x))) if len(x) < rows else x
