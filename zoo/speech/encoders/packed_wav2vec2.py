"""Batched encoding of utterances by wav2vec 2.0 and its relatives, with the same features as encoding each alone.

``zoo.speech.encoders.packed_attention`` explains how. Convolutions run over each utterance separately.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from zoo.speech.encoders.packed_attention import attend, pad_rows
from zoo.speech.encoders.packed_convolutions import children, convolve


def encode_packed(network: PreTrainedModel, waveforms: Sequence[Tensor]) -> list[Tensor]:
    """Return the last hidden states (T, D) of each waveform (num_samples,), without the adapter, if there is one.

    Args:
        network: A network that takes waveforms (see ``zoo.speech.encoders.hubert.MODEL_TYPES``). The layers of WavLM
            and of wav2vec 2.0 Conformer process one utterance after another.
        waveforms: Waveforms, each at least as long as the receptive field of the convolutions.
    """
    with parametrize.cached():  # computes the weight norm of the positional convolution once for all utterances
        rows = [_project(network, convolve(network, waveform)) for waveform in waveforms]
        if _has_plain_layers(network):
            return _transform(network, rows)
        encoder = network.get_submodule("encoder")
        return [encoder(row[None]).last_hidden_state[0] for row in rows]


def _has_plain_layers(network: PreTrainedModel) -> bool:
    """Return whether the layers mix frames by plain attention alone: not by biases for distances, nor convolutions."""
    return network.config.model_type not in ("wavlm", "wav2vec2-conformer")


def _project(network: PreTrainedModel, frames: Tensor) -> Tensor:
    """Project the frames of the convolutions to the width of the transformer: (T, C) -> (T, D)."""
    projected = network.get_submodule("feature_projection")(pad_rows(frames))
    if isinstance(projected, tuple):  # wav2vec 2.0 and WavLM also return the normalized frames
        projected = projected[0]
    return projected[: len(frames)]


def _transform(network: PreTrainedModel, rows: list[Tensor]) -> list[Tensor]:
    """Run the transformer over the frames of each utterance: (T, D) each."""
    encoder = network.get_submodule("encoder")
    layers = children(network, "encoder.layers")
    position = encoder.get_submodule("pos_conv_embed")
    final_norm = encoder.get_submodule("layer_norm")
    num_heads = network.config.num_attention_heads
    lengths = [len(row) for row in rows]
    is_pre_norm = any("StableLayerNorm" in type(layer).__name__ for layer in layers)
    x = pad_rows(torch.cat([row + position(row[None])[0] for row in rows]))
    if not is_pre_norm:
        # Pre-norm networks apply this norm after the last layer, post-norm networks before the first.
        x = final_norm(x)
    for layer in layers:
        if is_pre_norm:
            x = _pre_norm_layer(layer, x, lengths, num_heads)
        else:
            x = _post_norm_layer(layer, x, lengths, num_heads)
    if is_pre_norm:
        x = final_norm(x)
    return list(x[: sum(lengths)].split(lengths))


def _post_norm_layer(layer: nn.Module, x: Tensor, lengths: list[int], num_heads: int) -> Tensor:
    """Run a transformer layer with norms after attention and feed-forward block: (N, D) -> (N, D)."""
    attention_norm = layer.get_submodule("layer_norm")
    final_norm = layer.get_submodule("final_layer_norm")
    x = attention_norm(x + attend(layer.get_submodule("attention"), x, lengths, num_heads))
    return final_norm(x + layer.get_submodule("feed_forward")(x))


def _pre_norm_layer(layer: nn.Module, x: Tensor, lengths: list[int], num_heads: int) -> Tensor:
    """Run a transformer layer with norms before attention and feed-forward block: (N, D) -> (N, D)."""
    attention_norm = layer.get_submodule("layer_norm")
    final_norm = layer.get_submodule("final_layer_norm")
    adapter = getattr(layer, "adapter_layer", None)
    x = x + attend(layer.get_submodule("attention"), attention_norm(x), lengths, num_heads)
    x = x + layer.get_submodule("feed_forward")(final_norm(x))
    return x + adapter(x) if isinstance(adapter, nn.Module) else x
