import pytest
import torch

from zoo.metrics.unit_perplexity import UnitPerplexity


@pytest.mark.parametrize("units, want, used", [([0, 1, 2, 3], 4.0, 4), ([2] * 9, 1.0, 1), ([0] * 8 + [1] * 8, 2.0, 2)])
def test_perplexity_is_the_number_of_units_that_are_used_equally_often(units, want, used):
    metric = UnitPerplexity(8)
    for part in torch.tensor(units).split(3):
        metric.update(part)
    assert metric.compute().item() == pytest.approx(want) and metric.used == used


def test_units_of_any_shape_are_counted():
    even, single = UnitPerplexity(8), UnitPerplexity(8)
    even.update(torch.arange(8).repeat(3).view(4, 6))
    single.update(torch.full((2, 5), 3))
    assert even.compute() == pytest.approx(8.0) and even.used == 8
    assert single.compute() == pytest.approx(1.0) and single.used == 1


def test_perplexity_by_hand_over_several_updates():
    metric = UnitPerplexity(4)
    for units in ([0, 0], [1, 3]):
        metric.update(torch.tensor(units))
    assert metric.compute() == pytest.approx(2**1.5)  # 1.5 bits
