"""Division of long speech into overlapping windows for networks with a limited number of positions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Frames of the network that are encoded together; the waveform is cut where they start and stop.

    Args:
        start: First frame of the window.
        stop: Frame after its last.
        first_kept: First frame whose features are kept.
        last_kept: Last frame whose features are kept.
    """

    start: int
    stop: int
    first_kept: int
    last_kept: int

    @property
    def kept(self) -> slice:
        """The kept frames, counted from the start of the window."""
        return slice(self.first_kept - self.start, self.last_kept + 1 - self.start)


def overlapping_windows(num_frames: int, max_frames: int, overlap: int) -> list[Window]:
    """Divide frames into as few windows as possible, of about equal length.

    Two neighbors overlap by ``overlap`` frames, and each keeps its half of them; so every frame is kept once.

    Args:
        num_frames: Number of frames to divide.
        max_frames: Largest number of frames of a window.
        overlap: Number of frames that two neighbors have in common, at most half of ``max_frames``.
    """
    if num_frames <= max_frames:
        return [Window(0, num_frames, 0, num_frames - 1)]
    num_windows = -(-(num_frames - overlap) // (max_frames - overlap))
    borders = [index * (num_frames - overlap) // num_windows + overlap // 2 for index in range(1, num_windows)]
    borders = [0, *borders, num_frames]
    windows = []
    for first, after in zip(borders[:-1], borders[1:], strict=True):
        start = max(0, first - overlap // 2)
        stop = min(num_frames, after + overlap - overlap // 2)
        windows.append(Window(start, stop, first, after - 1))
    return windows
