"""Dynamic time warping of many pairs of sequences at once."""

from collections.abc import Sequence

import numpy as np

UNREACHABLE = 1e9  # cost of the padding after a sequence that is shorter than others in its batch

Pair = tuple[np.ndarray, np.ndarray]


def dtw(pairs: Sequence[Pair], batch: int = 4096) -> np.ndarray:
    """Return the mean distance along the cheapest warping path of each pair of sequences, (pairs,).

    The distance of two frames is 0 or 1 for units (equal or not), and the angle divided by pi for features.

    Args:
        pairs: Sequences (N,) and (M,) of units, or (N, D) and (M, D) of features.
        batch: Number of pairs that are computed together; pairs of similar length share a batch.
    """
    order = sorted(range(len(pairs)), key=lambda i: (len(pairs[i][0]), len(pairs[i][1])))
    distances = np.zeros(len(pairs))
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch]
        distances[numbers] = _dtw_batch([pairs[number] for number in numbers])
    return distances


def _dtw_batch(pairs: Sequence[Pair]) -> np.ndarray:
    n = np.array([len(first) for first, _ in pairs])
    m = np.array([len(second) for _, second in pairs])
    costs = np.full((len(pairs), n.max(), m.max()), UNREACHABLE)
    for row, (first, second) in enumerate(pairs):
        costs[row, : len(first), : len(second)] = frame_costs(first, second)
    # total[:, i, j] is the cost of the cheapest path that ends at frame i of the first sequence and frame j of the
    # second, both counted from 1; steps[:, i, j] is the number of frame pairs on that path. Cells with equal i + j
    # (one anti-diagonal) do not depend on each other and are computed together.
    shape = (len(pairs), n.max() + 1, m.max() + 1)
    total = np.full(shape, np.inf)
    steps = np.zeros(shape)
    total[:, 0, 0] = 0.0
    for diagonal in range(2, n.max() + m.max() + 1):
        i = np.arange(max(1, diagonal - m.max()), min(n.max(), diagonal - 1) + 1)
        j = diagonal - i
        # Ties between predecessors: argmin prefers the diagonal step, then a step in the first sequence alone.
        totals_before = np.stack([total[:, i - 1, j - 1], total[:, i - 1, j], total[:, i, j - 1]])
        steps_before = np.stack([steps[:, i - 1, j - 1], steps[:, i - 1, j], steps[:, i, j - 1]])
        best = totals_before.argmin(0)[None]
        total[:, i, j] = np.take_along_axis(totals_before, best, 0)[0] + costs[:, i - 1, j - 1]
        steps[:, i, j] = np.take_along_axis(steps_before, best, 0)[0] + 1
    rows = np.arange(len(pairs))
    return total[rows, n, m] / steps[rows, n, m]


def frame_costs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distance of each frame of the first sequence to each of the second, (N, M)."""
    if first.ndim == 1:
        return (first[:, None] != second[None]).astype(float)
    return np.arccos(np.clip(_normalized(first) @ _normalized(second).T, -1, 1)) / np.pi


def _normalized(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
