"""Batched encoding of utterances by a transformers speech encoder, with the same features as encoding each alone.

Utterances are not padded, so no mask is needed: the frames of all utterances are the rows of one matrix (N, D), one
utterance after another. Layers that process single frames (linear layers, norms) run over all rows at once; layers that
mix frames (convolutions, attention) run over each utterance separately. The convolutions run over short chunks of time,
so that their intermediate results stay in the processor's cache and need little memory.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from transformers import PreTrainedModel

from zoo.speech.receptive_field import receptive_field

# Matrix products of one to three rows use different kernels, with different rounding, than products of many rows. With
# at least this many rows, the features of an utterance are bit-identical whether it is encoded alone or in a batch.
MIN_ROWS = 16
# Output frames of the convolutions per chunk. On a CPU, 2 s at 50 Hz fit into the cache; on an accelerator, larger
# chunks save kernel launches.
CPU_CHUNK_FRAMES = 100
ACCELERATOR_CHUNK_FRAMES = 1000


def encode_packed(network: PreTrainedModel, waveforms: Sequence[Tensor]) -> list[Tensor]:
    """Return the last hidden states (T, D) of each waveform (num_samples,).

    Args:
        network: A HuBERT, wav2vec 2.0 or WavLM (see ``has_packed_form``). If its attention depends on the positions of
            frames (WavLM), the transformer layers process one utterance after another.
        waveforms: Waveforms, each at least as long as the receptive field of the convolutions.
    """
    with parametrize.cached():  # computes the weight norm of the positional convolution once for all utterances
        rows = [_project(network, _convolve(network, waveform)) for waveform in waveforms]
        if _has_plain_attention(network):
            return _transform(network, rows)
        encoder = network.get_submodule("encoder")
        return [encoder(row[None]).last_hidden_state[0] for row in rows]


def has_packed_form(network: PreTrainedModel) -> bool:
    """Return whether ``encode_packed`` supports a network; it does not support adapters after the encoder."""
    for name in ("feature_extractor", "feature_projection", "encoder"):
        if not hasattr(network, name):
            return False
    return getattr(network, "adapter", None) is None and hasattr(network.feature_extractor, "conv_layers")


def _has_plain_attention(network: PreTrainedModel) -> bool:
    """Return whether the attention has no bias that depends on the distance between two frames."""
    layers = _children(network, "encoder.layers")
    return not any(hasattr(layer.attention, "gru_rel_pos_const") for layer in layers)


def _convolve(network: PreTrainedModel, waveform: Tensor) -> Tensor:
    """Run the convolutions over one waveform in chunks: (num_samples,) -> (T, C)."""
    layers = _children(network, "feature_extractor.conv_layers")
    convolutions = [_convolution(layer) for layer in layers]
    steps: list[Callable[[Tensor], Tensor]] = list(layers)
    norm = getattr(layers[0], "layer_norm", None)
    if isinstance(norm, nn.GroupNorm):
        steps[0] = _FoldedGroupNorm(convolutions[0], norm, layers[0].get_submodule("activation"), waveform)
    kernels = [convolution.kernel_size[0] for convolution in convolutions]
    strides = [convolution.stride[0] for convolution in convolutions]
    field, hop = receptive_field(kernels, strides)
    num_frames = (len(waveform) - field) // hop + 1
    chunk_frames = CPU_CHUNK_FRAMES if waveform.device.type == "cpu" else ACCELERATOR_CHUNK_FRAMES
    chunks = []
    for start in range(0, num_frames, chunk_frames):
        last = min(start + chunk_frames, num_frames) - 1
        # The receptive field of frames `start` to `last`.
        x = waveform[None, None, start * hop : last * hop + field]
        for step in steps:
            x = step(x)
        chunks.append(x[0].T)
    return torch.cat(chunks)


class _FoldedGroupNorm:
    """The first convolution and its group norm as one convolution with other weights.

    The group norm normalizes each channel by its mean and variance over the whole waveform, which cannot be computed
    from one chunk. But a convolution with one input channel is linear in the k samples of its window: if all windows of
    the waveform have mean m (k,) and covariance C (k, k), the output of a channel with weights w has mean w m and
    variance w C w. Mean and variance are computed from the waveform first and folded into weights and bias, which are
    then applied to one chunk after another.

    Args:
        convolution: Convolution with one input channel. Its bias, if any, cancels in the norm.
        norm: Group norm with as many groups as channels.
        activation: Activation that follows.
        waveform: The whole waveform, (num_samples,).
    """

    def __init__(
        self,
        convolution: nn.Conv1d,
        norm: nn.GroupNorm,
        activation: Callable[[Tensor], Tensor],
        waveform: Tensor,
    ) -> None:
        self.stride = convolution.stride[0]
        self.activation = activation
        windows = waveform.double().unfold(0, convolution.kernel_size[0], self.stride)  # (T, k)
        mean = windows.mean(0)
        covariance = (windows - mean).T @ (windows - mean) / len(windows)
        weights = convolution.weight[:, 0].double()  # (C, k)
        variance = ((weights @ covariance) * weights).sum(1).clamp(min=0)
        scale = norm.weight.double() / torch.sqrt(variance + norm.eps)
        self.weight = (scale[:, None] * weights).to(waveform.dtype)[:, None]  # (C, 1, k)
        self.bias = (norm.bias.double() - scale * (weights @ mean)).to(waveform.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve, normalize and activate a chunk: (1, 1, num_samples) -> (1, C, T)."""
        with torch.autocast(x.device.type, enabled=False):  # float32 is cheap here, and raw samples need the precision
            return self.activation(F.conv1d(x, self.weight, self.bias, self.stride))


def _project(network: PreTrainedModel, frames: Tensor) -> Tensor:
    """Project the frames of the convolutions to the width of the transformer: (T, C) -> (T, D)."""
    projected = network.get_submodule("feature_projection")(_pad_rows(frames))
    if isinstance(projected, tuple):  # wav2vec 2.0 and WavLM also return the normalized frames
        projected = projected[0]
    return projected[: len(frames)]


def _transform(network: PreTrainedModel, rows: list[Tensor]) -> list[Tensor]:
    """Run the transformer over the frames of each utterance: (T, D) each."""
    encoder = network.get_submodule("encoder")
    layers = _children(network, "encoder.layers")
    position = encoder.get_submodule("pos_conv_embed")
    final_norm = encoder.get_submodule("layer_norm")
    num_heads = network.config.num_attention_heads
    lengths = [len(row) for row in rows]
    is_pre_norm = any("StableLayerNorm" in type(layer).__name__ for layer in layers)
    x = _pad_rows(torch.cat([row + position(row[None])[0] for row in rows]))
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
    x = attention_norm(x + _attend(layer.get_submodule("attention"), x, lengths, num_heads))
    return final_norm(x + layer.get_submodule("feed_forward")(x))


def _pre_norm_layer(layer: nn.Module, x: Tensor, lengths: list[int], num_heads: int) -> Tensor:
    """Run a transformer layer with norms before attention and feed-forward block: (N, D) -> (N, D)."""
    attention_norm = layer.get_submodule("layer_norm")
    final_norm = layer.get_submodule("final_layer_norm")
    adapter = getattr(layer, "adapter_layer", None)
    x = x + _attend(layer.get_submodule("attention"), attention_norm(x), lengths, num_heads)
    x = x + layer.get_submodule("feed_forward")(final_norm(x))
    return x + adapter(x) if isinstance(adapter, nn.Module) else x


def _attend(attention: nn.Module, x: Tensor, lengths: list[int], num_heads: int) -> Tensor:
    """Apply self-attention within each utterance: (N, D) -> (N, D).

    Args:
        attention: Attention of a transformer layer.
        x: Rows of all utterances, followed by rows of padding, (N, D).
        lengths: Number of rows of each utterance.
        num_heads: Number of attention heads.
    """
    # Projections run over all rows; then queries, keys and values are split by utterance. The padding rows are split
    # off as a separate last section, so that no utterance attends to them.
    sections = [*lengths, x.shape[0] - sum(lengths)]
    by_projection = []
    for name in ("q_proj", "k_proj", "v_proj"):
        projected = attention.get_submodule(name)(x)
        heads = projected.unflatten(1, (num_heads, -1)).transpose(0, 1)  # (H, N, D / H)
        by_projection.append(heads.split(sections, dim=1))
    mixed = []
    for query, key, value in zip(*by_projection, strict=True):
        if query.shape[1] == 0:  # no padding
            mixed.append(query)
        else:
            mixed.append(F.scaled_dot_product_attention(query[None], key[None], value[None])[0])
    joined = torch.cat(mixed, dim=1).transpose(0, 1).flatten(1)  # (N, D)
    return attention.get_submodule("out_proj")(joined)


def _pad_rows(x: Tensor) -> Tensor:
    """Append rows of zeros to (N, D) until there are ``MIN_ROWS``."""
    return F.pad(x, (0, 0, 0, MIN_ROWS - len(x))) if len(x) < MIN_ROWS else x


def _children(network: nn.Module, path: str) -> list[nn.Module]:
    """Return the modules of the ModuleList at a path such as ``encoder.layers``."""
    return list(network.get_submodule(path).children())


def _convolution(layer: nn.Module) -> nn.Conv1d:
    """Return the convolution of a layer of the feature extractor."""
    convolution = layer.get_submodule("conv")
    assert isinstance(convolution, nn.Conv1d)
    return convolution
