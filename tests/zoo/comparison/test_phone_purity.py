import numpy as np
import pytest

from zoo.comparison.phone_purity import measure_purity, phones_at, pnmi


def test_the_phone_at_the_middle_of_a_frame():
    # The middles are at 20, 60, 100, 140 and 180 ms.
    assert phones_at([("ˈa", 0.0, 0.1), ("b", 0.1, 0.17)], 5, 25.0) == ["a", "a", "b", "b", ""]


def test_purity_worked_by_hand():
    """Frames a a a b b b c c: units 0 0 1 1 1 1 2 0."""
    phones = [[("a", 0.0, 0.12), ("b", 0.12, 0.24), ("c", 0.24, 0.32)]]
    result = measure_purity([np.array([0, 0, 1, 1, 1, 1, 2, 0, 5])], phones, 25.0)
    assert result.phone_purity.value == (2 + 3 + 1) / 8 and result.unit_purity.value == (2 + 3 + 1) / 8
    joint = np.array([[2, 1, 0], [0, 3, 0], [1, 0, 1]]) / 8

    def entropy(shares):
        return -sum(share * np.log(share) for share in shares if share)

    mutual = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel())
    assert result.pnmi.value == pytest.approx(mutual / entropy(joint.sum(1)))


def test_ends_of_the_scale():
    assert pnmi(np.eye(4)) == pytest.approx(1) and pnmi(np.ones((4, 6))) == pytest.approx(0, abs=1e-12)
    phones = [[("a", 0.0, 0.2), ("b", 0.2, 0.4)]] * 4
    same = measure_purity([np.repeat([0, 1], 5)] * 4, phones, 25.0)
    assert same.pnmi.value == same.phone_purity.value == 1 and same.pnmi.low == pytest.approx(1)
    draw = np.random.default_rng(0)
    random_units = [draw.integers(3, size=100) for _ in range(30)]
    shuffled = measure_purity(random_units, [[("a", 0.0, 2.0), ("b", 2.0, 4.0)]] * 30, 25.0)
    assert shuffled.pnmi.value < 0.01 and shuffled.phone_purity.value < 0.55


def test_without_phones_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="no frame has a phone"):
        measure_purity([np.array([1, 2])], [[]], 25.0)
