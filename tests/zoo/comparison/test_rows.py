import numpy as np
import pytest

from zoo.comparison.claims import HOLDS, OPEN, REVERSED, Claim, verdicts
from zoo.comparison.rows import LANGUAGE, crossed_bootstrap, crossed_bootstrap_row
from zoo.evaluation.statistics import statistic


def test_figures_of_several_models_are_their_mean_and_models_widen_the_interval():
    items = np.random.default_rng(0).random(200)
    alike = crossed_bootstrap(np.array([items, items, items]))
    apart = crossed_bootstrap(np.array([items - 0.5, items, items + 0.5]))
    assert alike.value == pytest.approx(items.mean()) == apart.value and alike.n == 200
    assert alike.low < alike.value < alike.high
    assert apart.high - apart.low > 3 * (alike.high - alike.low)
    assert alike.high - alike.low == pytest.approx(2 * 1.96 * items.std() / 200**0.5, rel=0.15)


def test_a_rate_is_a_sum_over_a_sum():
    found = crossed_bootstrap(np.array([[10.0, 30.0], [12.0, 32.0]]), np.array([1.0, 2.0]))
    assert found.value == pytest.approx((11 + 31) / 3)


def test_differences_are_paired_by_item():
    items = np.random.default_rng(0).random((3, 100))
    row = crossed_bootstrap_row("k", LANGUAGE, "m", {"a": items, "b": items + 0.01})
    assert row.differences["b"].low == pytest.approx(0.01) == row.differences["b"].high
    assert row.report()["differences"]["b"]["excludes_zero"] and row.seeds == 3
    with pytest.raises(ValueError, match="same items"):
        crossed_bootstrap_row("k", LANGUAGE, "m", {"a": items, "b": items[:, 1:]})


@pytest.mark.parametrize("gap, verdict", [(0.3, HOLDS), (-0.3, REVERSED), (0.0, OPEN)])
def test_a_claim_holds_where_the_interval_is_on_its_side_of_0(gap, verdict):
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 100))
    noise -= noise.mean()
    row = crossed_bootstrap_row("k", LANGUAGE, "m", {"a": noise * 0, "b": noise + gap}).report()
    assert [one["verdict"] for one in verdicts([row], [Claim("up", "k", 1), Claim("unknown", "other", 1)])] == [verdict]
    (mirrored,) = verdicts([row], [Claim("down", "k", -1)])
    assert mirrored["verdict"] == {HOLDS: REVERSED, REVERSED: HOLDS, OPEN: OPEN}[verdict]


def test_the_interval_of_an_entropy_has_the_figure_in_it():
    draws = np.random.default_rng(0).integers(40, size=60)

    def entropy(drawn):
        shares = np.bincount(draws[drawn]) / len(drawn)
        return float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())

    found = statistic(entropy, 60)
    assert found.low < found.value < found.high
