"""Batched encoding of spectrograms by the encoder of Whisper, with the same features as encoding each alone.

``zoo.speech.encoders.packed_attention`` explains how. Convolutions run over each spectrogram separately.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperEncoder as WhisperNetwork

from zoo.speech.encoders.packed_attention import attend, pad_rows


def encode_packed(network: WhisperNetwork, spectrograms: Sequence[Tensor]) -> list[Tensor]:
    """Return the last hidden states (T, D) of each log-mel spectrogram (num_mels, about 2 T).

    Args:
        network: Encoder of a Whisper; the ``layer_norm`` of one that is truncated after a layer is an identity.
        spectrograms: Spectrograms with no more frames than the network has positions for.
    """
    rows = [_convolve(network, spectrogram) for spectrogram in spectrograms]
    lengths = [len(row) for row in rows]
    x = pad_rows(torch.cat(rows))  # at least MIN_ROWS rows, so that features are bit-identical in any batch
    for layer in network.layers:
        x = _layer(layer, x, lengths, network.config.encoder_attention_heads)
    x = network.layer_norm(x)
    return list(x[: sum(lengths)].split(lengths))


def _convolve(network: WhisperNetwork, spectrogram: Tensor) -> Tensor:
    """Run the convolutions and add the positions, as many as there are frames: (num_mels, 2 T) -> (T, D)."""
    x = F.gelu(network.conv1(spectrogram[None]))
    x = F.gelu(network.conv2(x))[0].T
    return x + network.embed_positions.weight[: len(x)]


def _layer(layer: nn.Module, x: Tensor, lengths: list[int], num_heads: int) -> Tensor:
    """Run a transformer layer with norms before attention and feed-forward block: (N, D) -> (N, D)."""
    attention_norm = layer.get_submodule("self_attn_layer_norm")
    feed_forward_norm = layer.get_submodule("final_layer_norm")
    x = x + attend(layer.get_submodule("self_attn"), attention_norm(x), lengths, num_heads)
    hidden = layer.get_submodule("activation_fn")(layer.get_submodule("fc1")(feed_forward_norm(x)))
    return x + layer.get_submodule("fc2")(hidden)
