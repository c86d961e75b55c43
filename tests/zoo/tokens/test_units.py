import numpy as np

from zoo.tokens.units import runs


def test_runs_rebuild_the_units():
    draw = np.random.default_rng(0)
    for count in (0, 1, 2, 57):
        values = draw.integers(0, 3, count)
        starts, lengths = runs(values)
        assert np.repeat(values[starts], lengths).tolist() == values.tolist()
        assert (values[starts][1:] != values[starts][:-1]).all() and (lengths > 0).all()
