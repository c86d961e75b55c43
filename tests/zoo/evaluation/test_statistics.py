import numpy as np
import pytest

from zoo.evaluation.statistics import difference, mean, proportion, ratio, statistic


@pytest.mark.parametrize(
    "hits, n, low, high",
    [  # R: prop.test(hits, n, correct = FALSE)
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (8, 10, 0.4901625, 0.9433178),
        (50, 100, 0.4038315, 0.5961685),
        (81, 263, 0.2552951, 0.3662066),
        (1, 29, 0.0061127, 0.1717626),
    ],
)
def test_wilson_intervals_are_the_published_ones(hits, n, low, high):
    found = proportion(np.arange(n) < hits)
    assert found.value == pytest.approx(hits / n) and found.n == n
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-4)


def test_ties_count_one_half():
    assert proportion(np.array([1, 0.5, 0.5, 0])).value == 0.5 == proportion(np.array([0.5])).value


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(0)
    found = [proportion(draw.random(60) < 0.7) for _ in range(1000)]
    assert np.mean([e.low <= 0.7 <= e.high for e in found]) == pytest.approx(0.95, abs=0.02)


def test_a_ratio_is_sum_over_sum_and_its_bootstrap_that_of_the_formula():
    draw = np.random.default_rng(1)
    words = draw.integers(5, 20, 400)
    errors = draw.binomial(words, 0.2)
    found = ratio(errors, words)
    deviation = np.sqrt(((errors - found.value * words) ** 2).sum()) / words.sum()
    assert found.value == errors.sum() / words.sum() and found.n == 400
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.96 * deviation, found.value + 1.96 * deviation), abs=0.25 * deviation
    )
    assert found == ratio(errors, words) != ratio(errors, words, seed=1)


def test_without_spread_the_interval_is_the_figure():
    found = ratio(np.array([1, 2, 3]), np.array([10, 20, 30]))
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_no_items_are_an_error():
    for estimate in (lambda: proportion(np.zeros(0)), lambda: ratio(np.zeros(0), np.zeros(0))):
        with pytest.raises(ValueError, match="no items to score"):
            estimate()


def test_a_report_has_four_decimals():
    found = proportion(np.arange(3) < 2)
    assert found.named("accuracy") == {"accuracy": 0.6667, "interval": [0.2077, 0.9385], "n": 3}
    assert str(found) == "0.67 (0.21 to 0.94)"


def test_the_same_items_are_paired():
    draw = np.random.default_rng(2)
    hard = draw.random(300)
    first, second = (hard < 0.5).astype(float), (hard < 0.45).astype(float)
    paired = difference(first, second)
    assert paired.value == pytest.approx(first.mean() - second.mean()) and paired.low > 0
    apart = difference(first, draw.permutation(second))
    assert apart.value == pytest.approx(paired.value) and apart.low < 0  # the same figures of other items
    with pytest.raises(ValueError, match="300 items against 2"):
        difference(first, second[:2])


def test_any_figure_has_an_interval():
    values = np.random.default_rng(3).normal(5, 1, 400)
    found, same = statistic(lambda drawn: float(values[drawn].mean()), 400, resamples=1000), mean(values)
    assert found.value == pytest.approx(same.value) and (found.low, found.high) == pytest.approx(
        (same.low, same.high), abs=0.02
    )
    with pytest.raises(ValueError, match="no items"):
        statistic(lambda drawn: 0.0, 0)
