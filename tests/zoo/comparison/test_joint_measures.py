import numpy as np
import pytest

from zoo.comparison.measures import PHONETIC, MeasureInfo, joint_measure
from zoo.comparison.token_rates import entropy_bits
from zoo.evaluation.statistics import WeightedStatistic, weighted_ratio

ITEMS = [f"u{number}" for number in range(80)]


def measure(**statistics):
    return joint_measure(MeasureInfo("k", PHONETIC, "m"), statistics)


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(0).normal(0, 1, 80)
    estimate = measure(base=[weighted_ratio(ITEMS, values)]).values["base"]
    assert estimate.value == pytest.approx(values.mean()) and estimate.n == 80
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / 80**0.5, rel=0.15)


def test_differences_are_paired_over_the_same_draws_of_items_and_seeds():
    draw = np.random.default_rng(0)
    seeds = [draw.normal(level, 1, 80) for level in (0, 3, 6)]
    result = measure(
        base=[weighted_ratio(ITEMS, values) for values in seeds],
        other=[weighted_ratio(ITEMS, values + 0.1) for values in seeds],
    )
    gap = result.differences["other"]
    assert gap.low == pytest.approx(0.1) == gap.high  # seeds far apart move both variants alike
    assert result.values["base"].high - result.values["base"].low > 5 and result.seeds == 3
    assert result.by_seed["base"] == pytest.approx([values.mean() for values in seeds])


def test_a_figure_that_is_biased_in_every_resample_lies_in_its_interval():
    counts = np.random.default_rng(0).multinomial(3, np.full(60, 1 / 60), 80)
    statistic = WeightedStatistic(ITEMS, lambda weights: entropy_bits(weights @ counts))
    estimate = measure(base=[statistic]).values["base"]
    assert estimate.low < estimate.value < estimate.high
    assert estimate.value == pytest.approx(entropy_bits(counts.sum(0)))


def test_other_items_or_other_numbers_of_seeds_are_not_paired():
    full = weighted_ratio(ITEMS, np.ones(80))
    shorter = weighted_ratio(ITEMS[:-1], np.ones(79))
    assert not measure(base=[full], other=[shorter]).differences
    assert not measure(base=[full], other=[full, full]).differences
    with pytest.raises(ValueError, match="different items"):
        measure(base=[full, shorter])
