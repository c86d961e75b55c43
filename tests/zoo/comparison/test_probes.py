import numpy as np
import pytest

from zoo.comparison.probes import probe, unit_shares
from zoo.tokens.units import Stream

STREAMS = (Stream("Hu", 4, 25.0), Stream("Pi", 3, 12.5))


def test_shares_are_square_roots_stream_by_stream():
    units = [{"Hu": np.array([0, 0, 1, 3]), "Pi": np.array([2])}, {"Hu": np.zeros(0, int), "Pi": np.array([0, 1])}]
    shares = unit_shares(units, STREAMS)
    assert shares**2 == pytest.approx(np.array([[0.5, 0.25, 0, 0.25, 0, 0, 1], [0, 0, 0, 0, 0.5, 0.5, 0]]))


def make_data(informative, count=60, seed=0):
    """Features (n, 6), labels and groups; informative features are larger in the column of their label."""
    kinds = ["happy", "sad", "angry"]
    features = np.random.default_rng(seed).normal(size=(count, 6))
    columns = np.arange(count) % 3
    if informative:
        features[np.arange(count), columns] += 4
    labels = [kinds[column] for column in columns]
    return features, labels, [f"s{number // 12}" for number in range(count)]


def test_informative_features_are_predicted_from_and_others_are_at_chance():
    result = probe(*make_data(True))
    assert result.accuracy.value > 0.9 and result.chance == pytest.approx(1 / 3) and result.hits.shape == (60,)
    features, labels, groups = make_data(False, 240)
    nothing = probe(features, labels, groups)
    assert nothing.accuracy.low < 1 / 3 + 0.05 and abs(nothing.accuracy.value - 1 / 3) < 0.1
    shuffled = np.random.default_rng(1).permutation(make_data(True, 240)[1]).tolist()
    assert abs(probe(make_data(True, 240)[0], shuffled, groups).accuracy.value - 1 / 3) < 0.1


def test_no_group_is_fitted_and_tested():
    """Each group has a feature of its own, which predicts its label only if the group was fitted to."""
    labels = ["a", "b"] * 5
    features = np.eye(10).repeat(6, 0)
    labels = np.repeat(labels, 6).tolist()
    own_groups = [f"g{number}" for number in range(60)]
    shared_groups = [f"g{number // 6}" for number in range(60)]
    assert probe(features, labels, own_groups).accuracy.value == 1
    assert probe(features, labels, shared_groups).accuracy.value < 0.6


def test_one_label_or_one_group_is_an_error():
    features, labels, groups = make_data(True, 12)
    with pytest.raises(ValueError, match="a probe needs two labels and two groups"):
        probe(features, ["happy"] * 12, groups)
    with pytest.raises(ValueError, match="a probe needs two labels and two groups"):
        probe(features, labels, ["s"] * 12)
