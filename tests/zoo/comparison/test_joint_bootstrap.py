import numpy as np
import pytest

from zoo.comparison.joint_bootstrap import Sample, joint_row, sum_over_sum
from zoo.comparison.rates import entropy_bits
from zoo.comparison.rows import PHONETIC

ITEMS = [f"u{number}" for number in range(80)]


def row(**samples):
    return joint_row("k", PHONETIC, "m", samples)


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(0).normal(0, 1, 80)
    found = row(a=[sum_over_sum(ITEMS, values)]).values["a"]
    assert found.value == pytest.approx(values.mean()) and found.n == 80
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 80**0.5, rel=0.15)


def test_differences_are_paired_over_the_same_draws_of_items_and_seeds():
    draw = np.random.default_rng(0)
    seeds = [draw.normal(level, 1, 80) for level in (0, 3, 6)]
    found = row(a=[sum_over_sum(ITEMS, one) for one in seeds], b=[sum_over_sum(ITEMS, one + 0.1) for one in seeds])
    gap = found.differences["b"]
    assert gap.low == pytest.approx(0.1) == gap.high  # seeds far apart move both variants alike
    assert found.values["a"].high - found.values["a"].low > 5 and found.seeds == 3
    assert found.by_seed["a"] == pytest.approx([one.mean() for one in seeds])


def test_a_figure_that_every_resample_bends_has_itself_in_its_interval():
    counts = np.random.default_rng(0).multinomial(3, np.full(60, 1 / 60), 80)
    found = row(a=[Sample(ITEMS, lambda times: entropy_bits(times @ counts))]).values["a"]
    assert found.low < found.value < found.high and found.value == pytest.approx(entropy_bits(counts.sum(0)))


def test_other_items_or_other_numbers_of_seeds_are_not_paired():
    one, other = sum_over_sum(ITEMS, np.ones(80)), sum_over_sum(ITEMS[:-1], np.ones(79))
    assert not row(a=[one], b=[other]).differences and not row(a=[one], b=[one, one]).differences
    with pytest.raises(ValueError, match="different ones"):
        row(a=[one, other])
