import pytest
import torch

from zoo.metrics.unit_usage import UnitPerplexity


def test_perplexity_is_the_number_of_units_where_all_are_as_likely_and_one_where_only_one_is():
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
