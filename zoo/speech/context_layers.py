"""Layers that add context to features: transformer layers, perhaps of a checkpoint, or convolutions."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModel, PreTrainedModel

from zoo.pretrained_networks import read_network
from zoo.ranges import LayerNumber, NumLayers, OddKernelSize, Share, Size
from zoo.speech.ctc_quantizer import ContextBlock
from zoo.speech.encoders.checkpoints import read_configuration


class ContextLayers(nn.Module, ABC):
    """Interface of layers from features to features.

    Attributes:
        input_dim: Width of the input.
        dim: Width of the output.
    """

    input_dim: int
    dim: int

    @abstractmethod
    def forward(self, x: Tensor, is_frame: Tensor | None) -> Tensor:
        """Add context: (B, T, input_dim) -> (B, T, dim).

        Args:
            x: Frames of a batch of utterances, (B, T, input_dim).
            is_frame: True for the frames of each utterance, False for padding, (B, T); None if there is no padding.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments, as JSON can express them."""


class TransformerLayers(ContextLayers):
    """Transformer layers, whose self-attention has no positions.

    Args:
        num_layers: Number of layers.
        dim: Width of input and output.
        num_heads: Number of attention heads, a divisor of ``dim``.
        hidden_dim: Width within the feed-forward blocks.
        is_pre_norm: Whether the norms precede attention and feed-forward block, as in Whisper, or follow them, as in
            HuBERT base.
        dropout: Dropout of attention, feed-forward blocks and residual branches.
        norm_epsilon: Added to the variance by the norms.
    """

    def __init__(
        self,
        num_layers: NumLayers,
        dim: Size,
        num_heads: Size,
        hidden_dim: Size,
        is_pre_norm: bool = True,
        dropout: Share = 0.1,
        norm_epsilon: Share = 1e-5,
    ) -> None:
        super().__init__()
        self.input_dim = dim
        self.dim = dim
        self._config = {
            "num_layers": num_layers,
            "dim": dim,
            "num_heads": num_heads,
            "hidden_dim": hidden_dim,
            "is_pre_norm": is_pre_norm,
            "dropout": dropout,
            "norm_epsilon": norm_epsilon,
        }
        layers = []
        for _ in range(num_layers):
            layers.append(
                nn.TransformerEncoderLayer(
                    dim,
                    num_heads,
                    hidden_dim,
                    dropout,
                    F.gelu,
                    layer_norm_eps=norm_epsilon,
                    batch_first=True,
                    norm_first=is_pre_norm,
                )
            )
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, is_frame: Tensor | None) -> Tensor:
        is_padding = None if is_frame is None else ~is_frame
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=is_padding)
        return x

    def config(self) -> dict[str, Any]:
        return dict(self._config)


class ConvolutionLayers(ContextLayers):
    """A linear layer and residual convolutions over time, for features of single frames such as filter banks.

    At the start, the linear layer keeps the distances between features, about if ``dim`` is below ``input_dim``, and
    the convolutions add nothing.

    Args:
        input_dim: Width of the features.
        dim: Channels of the convolutions.
        num_blocks: Number of convolutions.
        kernel_frames: Kernel size of each convolution, odd.
        dropout: Dropout after each convolution.

    Raises:
        ValueError: If ``kernel_frames`` is even.
    """

    def __init__(
        self,
        input_dim: Size,
        dim: Size = 128,
        num_blocks: NumLayers = 3,
        kernel_frames: OddKernelSize = 5,
        dropout: Share = 0.1,
    ) -> None:
        super().__init__()
        if kernel_frames % 2 == 0:
            raise ValueError(f"kernel_frames must be odd, so that it is centered on its frame, got {kernel_frames}")
        self.input_dim = input_dim
        self.dim = dim
        self._config = {
            "input_dim": input_dim,
            "dim": dim,
            "num_blocks": num_blocks,
            "kernel_frames": kernel_frames,
            "dropout": dropout,
        }
        self.input = nn.Linear(input_dim, dim)
        nn.init.orthogonal_(self.input.weight)
        nn.init.zeros_(self.input.bias)
        self.blocks = nn.ModuleList(ContextBlock(dim, kernel_frames) for _ in range(num_blocks))
        for block in self.blocks:
            assert isinstance(block, ContextBlock)
            nn.init.zeros_(block.linear.weight)
            nn.init.zeros_(block.linear.bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, is_frame: Tensor | None) -> Tensor:
        mask = None if is_frame is None else is_frame.unsqueeze(-1)
        x = self.input(x)
        for block in self.blocks:
            x = x + self.dropout(block(x, mask) - x)
        return x

    def config(self) -> dict[str, Any]:
        return dict(self._config)


# Beginnings of the names of weights that a checkpoint of layers may lack.
UNUSED_WEIGHTS = ("masked_spec_embed", "decoder.")
CONTEXT_LAYERS: dict[str, type[ContextLayers]] = {
    "TransformerLayers": TransformerLayers,
    "ConvolutionLayers": ConvolutionLayers,
}


def checkpoint_layers(
    source: str, first: LayerNumber, last: LayerNumber | None = None, dropout: Share = 0.1
) -> TransformerLayers:
    """Return layers of a pretrained speech encoder, to be trained further.

    Args:
        source: Name or folder of a checkpoint: Whisper, HuBERT or wav2vec 2.0.
        first: Number of the first layer, from 1.
        last: Number of the last layer; the last of the checkpoint if None.
        dropout: Dropout in the layers.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is incomplete or has no such layers, or they are of a kind that cannot be taken
            over.
    """
    config = read_configuration(source)
    count = config.encoder_layers if config.model_type == "whisper" else config.num_hidden_layers
    last = count if last is None else last
    if not 1 <= first <= last <= count:
        raise ValueError(f"{source} has layers 1 to {count}, got first {first} and last {last}")
    return layers_of(read_network(AutoModel, source, config, optional=UNUSED_WEIGHTS), first, last, dropout)


def layers_of(network: PreTrainedModel, first: int, last: int, dropout: float) -> TransformerLayers:
    """Return layers ``first`` to ``last``, from 1, of a network as ``checkpoint_layers`` does."""
    kind = network.config.model_type
    names = LAYER_NAMES.get(kind)
    if names is None:
        raise ValueError(f"layers of {kind!r} cannot be taken over: use those of {', '.join(LAYER_NAMES)}")
    layers = list(network.get_submodule("encoder.layers").children())[first - 1 : last]
    config = network.config
    is_whisper = kind == "whisper"
    activation = config.activation_function if is_whisper else config.hidden_act
    if activation != "gelu":
        raise ValueError(f"layers with {activation!r} in the feed-forward blocks cannot be taken over, only 'gelu'")
    taken = TransformerLayers(
        len(layers),
        config.d_model if is_whisper else config.hidden_size,
        config.encoder_attention_heads if is_whisper else config.num_attention_heads,
        config.encoder_ffn_dim if is_whisper else config.intermediate_size,
        is_pre_norm=is_whisper or config.do_stable_layer_norm,
        dropout=dropout,
        norm_epsilon=1e-5 if is_whisper else config.layer_norm_eps,
    )
    for own, pretrained in zip(taken.layers, layers, strict=True):
        own.load_state_dict(_renamed(pretrained, names))
    return taken


# Names of the parts of a layer, by model type: attention, its norm, the two feed-forward layers, their norm.
WAV2VEC2_NAMES = ("attention", "layer_norm", "feed_forward.intermediate_dense", "feed_forward.output_dense")
LAYER_NAMES = {
    "whisper": ("self_attn", "self_attn_layer_norm", "fc1", "fc2"),
    "hubert": WAV2VEC2_NAMES,
    "wav2vec2": WAV2VEC2_NAMES,
}


def _renamed(layer: nn.Module, names: tuple[str, str, str, str]) -> dict[str, Tensor]:
    """Return the weights of a transformers layer under the names of ``nn.TransformerEncoderLayer``."""
    attention, norm, widen, narrow = names
    state = layer.state_dict()
    weights = [state[f"{attention}.{part}_proj.weight"] for part in "qkv"]
    biases = []
    for part in "qkv":
        # Whisper's keys have no bias; any would shift all scores of a query equally and change nothing.
        bias = state.get(f"{attention}.{part}_proj.bias")
        biases.append(torch.zeros_like(weights[0][:, 0]) if bias is None else bias)
    renamed = {"self_attn.in_proj_weight": torch.cat(weights), "self_attn.in_proj_bias": torch.cat(biases)}
    sources = {
        "self_attn.out_proj": f"{attention}.out_proj",
        "linear1": widen,
        "linear2": narrow,
        "norm1": norm,
        "norm2": "final_layer_norm",
    }
    for target, source in sources.items():
        for kind in ("weight", "bias"):
            renamed[f"{target}.{kind}"] = state[f"{source}.{kind}"]
    return renamed
