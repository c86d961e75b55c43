import numpy as np
import pytest

from zoo.evaluation.statistics import (
    ItemScores,
    crossed_mean,
    difference,
    mean,
    pooled_mean,
    proportion,
    ratio,
    relative_reduction,
    statistic,
)


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
    estimate = proportion(np.arange(n) < hits)
    assert estimate.value == pytest.approx(hits / n) and estimate.n == n
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=2e-4)


def test_ties_count_one_half():
    assert proportion(np.array([1, 0.5, 0.5, 0])).value == 0.5 == proportion(np.array([0.5])).value


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    draw = np.random.default_rng(0)
    estimates = [proportion(draw.random(60) < 0.7) for _ in range(1000)]
    contains_truth = [estimate.low <= 0.7 <= estimate.high for estimate in estimates]
    assert np.mean(contains_truth) == pytest.approx(0.95, abs=0.02)


def test_a_ratio_is_sum_over_sum_and_its_bootstrap_that_of_the_formula():
    draw = np.random.default_rng(1)
    words = draw.integers(5, 20, 400)
    errors = draw.binomial(words, 0.2)
    estimate = ratio(errors, words)
    deviation = np.sqrt(((errors - estimate.value * words) ** 2).sum()) / words.sum()
    assert estimate.value == errors.sum() / words.sum() and estimate.n == 400
    assert (estimate.low, estimate.high) == pytest.approx(
        (estimate.value - 1.96 * deviation, estimate.value + 1.96 * deviation), abs=0.25 * deviation
    )
    assert estimate == ratio(errors, words) != ratio(errors, words, seed=1)


def test_without_spread_the_interval_is_the_figure():
    estimate = ratio(np.array([1, 2, 3]), np.array([10, 20, 30]))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.1, 0.1, 0.1))


def test_no_items_are_an_error():
    with pytest.raises(ValueError, match="no items to score"):
        proportion(np.zeros(0))
    with pytest.raises(ValueError, match="no items to score"):
        ratio(np.zeros(0), np.zeros(0))


def test_a_report_has_four_decimals():
    estimate = proportion(np.arange(3) < 2)
    assert estimate.named("accuracy") == {"accuracy": 0.6667, "interval": [0.2077, 0.9385], "n": 3}
    assert str(estimate) == "0.67 (0.21 to 0.94)"


def test_the_same_items_are_paired():
    draw = np.random.default_rng(2)
    hard = draw.random(300)
    first = (hard < 0.5).astype(float)
    second = (hard < 0.45).astype(float)
    paired = difference(first, second)
    assert paired.value == pytest.approx(first.mean() - second.mean()) and paired.low > 0
    apart = difference(first, draw.permutation(second))
    assert apart.value == pytest.approx(paired.value) and apart.low < 0  # the same figures of other items
    with pytest.raises(ValueError, match="300 items against 2"):
        difference(first, second[:2])


def test_any_figure_has_an_interval():
    values = np.random.default_rng(3).normal(5, 1, 400)
    estimate = statistic(lambda drawn: float(values[drawn].mean()), 400, resamples=1000)
    same = mean(values)
    assert estimate.value == pytest.approx(same.value)
    assert (estimate.low, estimate.high) == pytest.approx((same.low, same.high), abs=0.02)
    with pytest.raises(ValueError, match="no items"):
        statistic(lambda drawn: 0.0, 0)


def test_items_without_a_score_are_left_out_of_mean_and_difference():
    first = ItemScores(np.array([1.0, np.nan, 2.0, 3.0]))
    second = ItemScores(np.array([0.5, 1.0, np.nan, 2.5]))
    assert first.estimate() == mean(np.array([1.0, 2.0, 3.0]))
    gap = first.minus(second)
    assert (gap.value, gap.low, gap.high, gap.n) == (0.5, 0.5, 0.5, 2)
    empty = ItemScores(np.full(3, np.nan))
    assert empty.is_empty and not first.is_empty
    with pytest.raises(ValueError, match="none of them has a value"):
        empty.estimate()


def test_a_ratio_leaves_out_the_size_of_an_item_without_a_score():
    scores = ItemScores(np.array([1.0, np.nan, 3.0]), np.array([10.0, 100.0, 10.0]))
    assert scores.estimate().value == pytest.approx(4 / 20)


def test_a_reduction_is_relative_to_the_baseline():
    baseline = ItemScores(np.array([4.0, 8.0]), np.array([10, 20]))
    reduction = relative_reduction(ItemScores(np.array([1.0, 2.0]), np.array([10, 20])), baseline)
    assert (reduction.value, reduction.low, reduction.high, reduction.n) == pytest.approx((0.75, 0.75, 0.75, 2))


def test_figures_of_several_models_are_their_mean_and_models_widen_the_interval():
    items = np.random.default_rng(0).random(200)
    alike = crossed_mean(np.array([items, items, items]))
    apart = crossed_mean(np.array([items - 0.5, items, items + 0.5]))
    assert alike.value == pytest.approx(items.mean()) == apart.value and alike.n == 200
    assert alike.low < alike.value < alike.high
    assert apart.high - apart.low > 3 * (alike.high - alike.low)
    assert alike.high - alike.low == pytest.approx(2 * 1.96 * items.std() / 200**0.5, rel=0.15)


def test_a_rate_of_several_models_is_a_sum_over_a_sum():
    estimate = crossed_mean(np.array([[10.0, 30.0], [12.0, 32.0]]), np.array([1.0, 2.0]))
    assert estimate.value == pytest.approx((11 + 31) / 3)


def test_the_interval_of_an_entropy_contains_the_figure():
    draws = np.random.default_rng(0).integers(40, size=60)

    def entropy(drawn):
        shares = np.bincount(draws[drawn]) / len(drawn)
        return float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())

    estimate = statistic(entropy, 60)
    assert estimate.low < estimate.value < estimate.high


def test_pooling_draws_speakers_as_well_as_utterances():
    draw = np.random.default_rng(0)
    parts = []
    for _ in range(5):
        values = draw.normal(0, 1, 100)
        parts.append(values - values.mean())
    alike = pooled_mean(parts)
    apart = pooled_mean([values + level for level, values in zip((-2, -1, 0, 1, 2), parts, strict=True)])
    assert alike.n == 500 and alike.value == pytest.approx(0, abs=1e-9) == apart.value
    assert alike.high - alike.low == pytest.approx(2 * 1.96 / 500**0.5, rel=0.2)
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * 2**0.5 / 5**0.5, rel=0.2)  # of five levels


def test_pooling_leaves_out_utterances_without_a_figure():
    estimate = pooled_mean([np.array([1.0, np.nan]), np.array([np.nan]), np.array([0.0, 0.0, 0.0])])
    assert estimate.value == 0.25 and estimate.n == 4
    with pytest.raises(ValueError, match="no utterance"):
        pooled_mean([np.array([np.nan])])
