"""Feature vectors on disk, read back in random order with bounded memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

# Frames per read: enough for efficient disk access, few enough that a buffer mixes blocks from all over the corpus.
BLOCK_FRAMES = 256
BYTES_PER_VALUE = 4


class FrameSpool:
    """A temporary file of feature vectors, deleted when it is closed or the process ends.

    The encoder runs once for any number of passes over the features, and memory use is limited to one buffer.

    Args:
        folder: Folder on the disk that stores the features, 4 bytes per value.
        dim: Width of the features.
        buffer_frames: Number of frames that are read into memory and shuffled together; at least ``BLOCK_FRAMES``.
    """

    def __init__(self, folder: Path, dim: int, buffer_frames: int = 65_536) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder, prefix="features")  # noqa: SIM115 - closed by __exit__
        self.dim = dim
        self.frames = 0
        self.buffer_frames = max(BLOCK_FRAMES, buffer_frames)

    def __enter__(self) -> "FrameSpool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def __len__(self) -> int:
        return self.frames

    def append(self, features: Tensor) -> None:
        """Append feature vectors (T, dim)."""
        self.file.seek(self.frames * self.dim * BYTES_PER_VALUE)
        self.file.write(features.detach().cpu().numpy().astype("<f4", order="C").tobytes())
        self.frames += len(features)

    def batches(self, size: int, passes: int = 1, seed: int = 0) -> Iterator[Tensor]:
        """Yield batches (size, dim) in several passes; each pass yields every frame once, in a new random order.

        A pass shuffles the blocks of the file, reads as many blocks as fill the buffer, and shuffles the frames within
        the buffer. The last batch of a buffer may be shorter.

        Args:
            size: Number of frames per batch.
            passes: Number of passes over all frames.
            seed: Seed of the random orders.
        """
        generator = np.random.default_rng(seed)
        num_blocks = -(-self.frames // BLOCK_FRAMES)
        num_buffers = max(1, -(-self.frames // self.buffer_frames))
        for _ in range(passes):
            starts = BLOCK_FRAMES * generator.permutation(num_blocks)
            for group in np.array_split(starts, num_buffers):
                blocks = [self._read_block(start) for start in group]
                buffer = np.concatenate(blocks) if blocks else np.zeros((0, self.dim), "<f4")
                yield from torch.from_numpy(buffer[generator.permutation(len(buffer))]).split(size)

    def _read_block(self, start: int) -> np.ndarray:
        """Read up to ``BLOCK_FRAMES`` frames (N, dim) from frame ``start`` on."""
        frame_bytes = self.dim * BYTES_PER_VALUE
        self.file.seek(start * frame_bytes)
        return np.frombuffer(self.file.read(BLOCK_FRAMES * frame_bytes), "<f4").reshape(-1, self.dim)
