import numpy as np
import pytest

from zoo.comparison.token_rates import entropy_bits, measure_token_rates
from zoo.tokens.units import Stream

STREAMS = (Stream("Hu", 8, 25.0), Stream("St", 4, 1.0, dedup=False))


def test_rates_worked_by_hand():
    """Three seconds: Hu 0 1 2 3 after deduplication in each utterance, St 1 1 and 1."""
    units = [
        {"Hu": np.array([0, 0, 1, 2, 3, 3]), "St": np.array([1, 1])},
        {"Hu": np.array([0, 1, 1, 2, 3]), "St": np.array([1])},
    ]
    rates = measure_token_rates(units, np.array([2.0, 1.0]), STREAMS)
    assert rates.tokens_per_second.value == pytest.approx((4 + 2 + 4 + 1) / 3)
    assert rates.usage["Hu"].entropy_bits.value == pytest.approx(2) and rates.usage["Hu"].perplexity == pytest.approx(4)
    assert (rates.usage["Hu"].used, rates.usage["St"].used, rates.usage["St"].perplexity) == (0.5, 0.25, 1)
    assert rates.bits_per_second.value == pytest.approx(8 * 2 / 3)
    assert rates.code_bits_per_second.value == pytest.approx((8 * 3 + 3 * 2) / 3)
    assert rates.report()["codebooks"]["Hu"]["used"] == 0.5


def test_measured_bits_are_never_more_than_those_of_the_codes():
    draw = np.random.default_rng(0)
    units = []
    for _ in range(20):
        units.append({"Hu": draw.choice(8, 50, p=draw.dirichlet(np.ones(8))), "St": draw.integers(4, size=2)})
    rates = measure_token_rates(units, np.full(20, 2.0), STREAMS)
    assert rates.bits_per_second.low <= rates.bits_per_second.value < rates.code_bits_per_second.value
    assert rates.tokens_per_second.low < rates.tokens_per_second.value < rates.tokens_per_second.high


@pytest.mark.parametrize("counts, bits", [([1, 1, 1, 1], 2), ([5, 0], 0), ([1, 3], 0.811278), ([0, 0], 0)])
def test_entropy(counts, bits):
    assert entropy_bits(np.array(counts)) == pytest.approx(bits, abs=1e-6)
