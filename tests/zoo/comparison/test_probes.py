import numpy as np
import pytest

from zoo.comparison.probes import probe, unit_shares
from zoo.tokens.units import Stream

STREAMS = (Stream("Hu", 4, 25.0), Stream("Pi", 3, 12.5))


def test_shares_are_square_roots_stream_by_stream():
    found = unit_shares(
        [{"Hu": np.array([0, 0, 1, 3]), "Pi": np.array([2])}, {"Hu": np.zeros(0, int), "Pi": np.array([0, 1])}], STREAMS
    )
    assert found**2 == pytest.approx(np.array([[0.5, 0.25, 0, 0.25, 0, 0, 1], [0, 0, 0, 0, 0.5, 0.5, 0]]))


def utterances(tells, count=60, seed=0):
    draw, labels = np.random.default_rng(seed), ["happy", "sad", "angry"]
    label = [labels[n % 3] for n in range(count)]
    features = draw.normal(size=(count, 6))
    if tells:
        features[np.arange(count), [labels.index(one) for one in label]] += 4
    return features, label, [f"s{n // 12}" for n in range(count)]


def test_what_the_units_tell_is_found_and_what_they_do_not_is_chance():
    found = probe(*utterances(True))
    assert found.accuracy.value > 0.9 and found.chance == pytest.approx(1 / 3) and found.hits.shape == (60,)
    features, labels, groups = utterances(False, 240)
    nothing = probe(features, labels, groups)
    assert nothing.accuracy.low < 1 / 3 + 0.05 and abs(nothing.accuracy.value - 1 / 3) < 0.1
    shuffled = np.random.default_rng(1).permutation(utterances(True, 240)[1]).tolist()
    assert abs(probe(utterances(True, 240)[0], shuffled, groups).accuracy.value - 1 / 3) < 0.1


def test_no_group_is_fitted_and_tested():
    """Each group has a mark that tells its label; it is of no use where the group was not seen."""
    labels = ["a", "b"] * 5
    features = np.eye(10).repeat(6, 0)
    assert probe(features, np.repeat(labels, 6).tolist(), [f"g{n}" for n in range(60)]).accuracy.value == 1
    assert (
        probe(
            features, np.repeat(labels, 6).tolist(), np.repeat([f"g{n}" for n in range(10)], 6).tolist()
        ).accuracy.value
        < 0.6
    )


def test_one_label_or_one_group_is_an_error():
    features, labels, groups = utterances(True, 12)
    for some in ((features, ["happy"] * 12, groups), (features, labels, ["s"] * 12)):
        with pytest.raises(ValueError, match="a probe needs two labels and two groups"):
            probe(*some)
