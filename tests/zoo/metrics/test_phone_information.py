import numpy as np
import pytest

from zoo.metrics.phone_information import PhoneInformation


def test_units_that_are_the_phones_have_all_information_and_constant_units_none():
    phones = [("ˈa", 0.0, 0.5), ("b", 0.5, 1.0), ("a", 1.0, 1.5), ("c", 1.5, 2.0)]
    same, constant, half = (PhoneInformation(8) for _ in range(3))
    right = np.repeat([5, 2, 5, 7], 5)
    same.update(right, 10.0, phones)
    constant.update(np.zeros(20, np.int64), 10.0, phones)
    half.update(np.repeat([5, 2, 5, 2], 5), 10.0, phones)  # b and c are one
    assert same.compute() == pytest.approx({"pnmi": 1.0, "purity": 1.0})
    assert constant.compute() == pytest.approx({"pnmi": 0.0, "purity": 0.5})
    assert half.compute() == pytest.approx({"pnmi": np.log(2) / (1.5 * np.log(2)), "purity": 0.75})


def test_frames_between_phones_are_left_out_and_too_many_phones_are_an_error():
    metric = PhoneInformation(4, max_phones=1)
    metric.update(np.array([1, 1, 3, 3]), 10.0, [("a", 0.0, 0.2)])
    assert metric.counts.sum() == 2 and metric.compute()["purity"] == 1.0
    with pytest.raises(ValueError, match="more than max_phones=1"):
        metric.update(np.array([1]), 10.0, [("b", 0.0, 0.1)])
