"""Rate and position of the frames behind the convolutional adapters of wav2vec 2.0 and w2v-BERT 2.0."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdapterRate:
    """What an adapter does to a sequence of frames.

    Args:
        stride: Number of input frames per output frame.
        first_frame: Position of the center of the first output frame, in input frames.
        min_frames: Number of input frames that give one output frame.
    """

    stride: int = 1
    first_frame: float = 0.0
    min_frames: int = 1


def adapter_rate(num_layers: int, kernel: int, stride: int, padding: int) -> AdapterRate:
    """Return what a stack of equal convolutions does to a sequence of frames.

    Args:
        num_layers: Number of convolutions.
        kernel: Kernel size of each.
        stride: Stride of each.
        padding: Frames of padding at both ends of each.
    """
    total_stride = 1
    first_frame = 0.0
    min_frames = 1
    for _ in range(num_layers):
        first_frame += total_stride * ((kernel - 1) / 2 - padding)
        total_stride *= stride
        min_frames = max(1, (min_frames - 1) * stride + kernel - 2 * padding)
    return AdapterRate(total_stride, first_frame, min_frames)
