"""Feature vectors on disk, read back in a random order with bounded memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

BLOCK_FRAMES = 256  # read at once: long enough for a disk, short enough that a buffer holds many places of the corpus


class FrameSpool:
    """A file of feature vectors without a name, gone when it is closed or the process ends.

    The encoder runs once however many passes are made, and memory is that of one buffer however long the corpus is.

    Args:
        folder: On the disk that takes 4 bytes for each number.
        dim: Width of the features.
        buffer_frames: Held in memory while reading; frames are mixed within so many.
    """

    def __init__(self, folder: Path, dim: int, buffer_frames: int = 65_536) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder, prefix="features")
        self.dim, self.frames, self.buffer_frames = dim, 0, max(BLOCK_FRAMES, buffer_frames)

    def __enter__(self) -> "FrameSpool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def __len__(self) -> int:
        return self.frames

    def append(self, features: Tensor) -> None:
        """Add feature vectors (T, dim)."""
        self.file.seek(self.frames * self.dim * 4)
        self.file.write(features.detach().cpu().numpy().astype("<f4", order="C").tobytes())
        self.frames += len(features)

    def batches(self, size: int, passes: int = 1, seed: int = 0) -> Iterator[Tensor]:
        """Yield batches (size, dim), the last of a buffer shorter; each pass takes each frame once, in an order of its own."""
        draw = np.random.default_rng(seed)
        for _ in range(passes):
            starts = BLOCK_FRAMES * draw.permutation(-(-self.frames // BLOCK_FRAMES))
            for group in np.array_split(starts, max(1, -(-self.frames // self.buffer_frames))):
                held = (
                    np.concatenate([self._block(start) for start in group])
                    if len(group)
                    else np.zeros((0, self.dim), "<f4")
                )
                yield from torch.from_numpy(held[draw.permutation(len(held))]).split(size)

    def _block(self, start: int) -> np.ndarray:
        self.file.seek(start * self.dim * 4)
        return np.frombuffer(self.file.read(BLOCK_FRAMES * self.dim * 4), "<f4").reshape(-1, self.dim)
