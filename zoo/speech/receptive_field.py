"""Receptive field and hop of a stack of convolutions."""

from collections.abc import Sequence


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Return the number of samples that one output frame depends on, and the number of samples between two frames.

    Args:
        kernels: Kernel size of each convolution, in samples of its input, first convolution first.
        strides: Stride of each convolution.
    """
    field = 1
    hop = 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return field, hop
