from itertools import product

import numpy as np
import pytest

from zoo.comparison.dtw import dtw, frame_costs


def slow_dtw(first, second):
    """Mean cost of the best path, cell by cell; of equally cheap steps the diagonal, then down, then right."""
    cost = frame_costs(first, second)
    best = {}  # total cost and length of the best path to each cell
    for i, j in product(range(len(first)), range(len(second))):
        before = [best[step] for step in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if step in best] or [(0.0, 0)]
        total, steps = min(before, key=lambda path: path[0])
        best[i, j] = (total + cost[i, j], steps + 1)
    total, steps = best[len(first) - 1, len(second) - 1]
    return total / steps


def random_sequence(draw, dim):
    length = draw.integers(1, 9)
    return draw.normal(size=(length, dim)) if dim else draw.integers(3, size=length)


@pytest.mark.parametrize("dim", [0, 5])
def test_all_pairs_at_once_are_those_cell_by_cell(dim):
    draw = np.random.default_rng(dim)
    pairs = [(random_sequence(draw, dim), random_sequence(draw, dim)) for _ in range(60)]
    expected = [slow_dtw(first, second) for first, second in pairs]
    assert dtw(pairs) == pytest.approx(expected) and dtw(pairs, batch=7) == pytest.approx(expected)


@pytest.mark.parametrize(
    "first, second, distance", [([1, 2], [1, 2], 0), ([1, 1, 2], [1, 2], 0), ([1], [2, 3], 1), ([1, 3], [1, 2], 0.5)]
)
def test_distances_of_units_worked_by_hand(first, second, distance):
    assert dtw([(np.array(first), np.array(second))]).tolist() == [distance]


def test_distances_of_features_worked_by_hand():
    axes = np.eye(2)
    assert dtw([(axes[:1], axes[1:]), (axes[:1], -axes[:1])]).tolist() == pytest.approx([0.5, 1.0])
