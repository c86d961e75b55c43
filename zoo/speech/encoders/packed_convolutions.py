"""The convolutions of wav2vec 2.0 and its relatives over one waveform, in chunks of time.

The intermediate results of a chunk stay in the processor's cache and need little memory.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from zoo.speech.receptive_field import receptive_field

# Output frames of the convolutions per chunk. On a CPU, 2 s at 50 Hz fit into the cache; on an accelerator, larger
# chunks save kernel launches.
CPU_CHUNK_FRAMES = 100
ACCELERATOR_CHUNK_FRAMES = 1000


def convolve(network: PreTrainedModel, waveform: Tensor) -> Tensor:
    """Run the convolutions over one waveform in chunks: (num_samples,) -> (T, C)."""
    layers = children(network, "feature_extractor.conv_layers")
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


def children(network: nn.Module, path: str) -> list[nn.Module]:
    """Return the modules of the ModuleList at a path such as ``encoder.layers``."""
    return list(network.get_submodule(path).children())


def _convolution(layer: nn.Module) -> nn.Conv1d:
    """Return the convolution of a layer of the feature extractor."""
    convolution = layer.get_submodule("conv")
    assert isinstance(convolution, nn.Conv1d)
    return convolution
