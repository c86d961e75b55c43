from itertools import product

import numpy as np
import pytest

from zoo.comparison.abx import Triphone, _costs, dtw, measure_abx, triphones


def slow(a, b):
    """Cost and length of the best path, cell by cell; of equally cheap steps the diagonal, then down, then right."""
    cost, best = _costs(a, b), {}
    for i, j in product(range(len(a)), range(len(b))):
        before = [best[step] for step in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if step in best] or [(0.0, 0)]
        total, steps = min(before, key=lambda one: one[0])
        best[i, j] = (total + cost[i, j], steps + 1)
    total, steps = best[len(a) - 1, len(b) - 1]
    return total / steps


@pytest.mark.parametrize("dim", [0, 5])
def test_all_pairs_at_once_are_those_cell_by_cell(dim):
    draw = np.random.default_rng(dim)
    make = lambda: draw.normal(size=(draw.integers(1, 9), dim)) if dim else draw.integers(3, size=draw.integers(1, 9))
    pairs = [(make(), make()) for _ in range(60)]
    want = [slow(a, b) for a, b in pairs]
    assert dtw(pairs) == pytest.approx(want) and dtw(pairs, batch=7) == pytest.approx(want)


def test_distances_worked_by_hand():
    row = lambda *units: np.array(units)
    assert dtw(
        [(row(1, 2), row(1, 2)), (row(1, 1, 2), row(1, 2)), (row(1), row(2, 3)), (row(1, 3), row(1, 2))]
    ).tolist() == [0, 0, 1, 0.5]
    axis = np.eye(2)
    assert dtw([(axis[:1], axis[1:]), (axis[:1], -axis[:1])]).tolist() == pytest.approx([0.5, 1.0])


def corpus(speakers, mix=0.0, each=4, seed=0):
    """Triphones k-a-t and k-i-t: the phone is the unit, but for a share of frames that are anything; or of the speaker's units."""
    draw, found = np.random.default_rng(seed), []
    for number, speaker in enumerate(speakers):
        for phone in "ai":
            for _ in range(each):
                units = np.array([0, 0, 1 + "ai".index(phone), 1 + "ai".index(phone), 3]) + 10 * number * (mix < 0)
                units = np.where(draw.random(5) < mix, draw.integers(4, size=5), units)
                found.append(Triphone(phone, ("k", "t"), speaker, units))
    return found


def test_units_that_are_phones_have_no_error_and_units_of_nothing_half():
    perfect = measure_abx(corpus(["ann", "bob", "cleo"]))
    assert perfect.within.value == perfect.across.value == 0
    nothing = measure_abx(corpus(["ann", "bob", "cleo", "dan"], mix=1.0, each=10), most_of_a_kind=10)
    assert nothing.within.value == pytest.approx(0.5, abs=0.06) and nothing.across.value == pytest.approx(0.5, abs=0.06)
    half = measure_abx(corpus(["ann", "bob"], mix=0.5))
    assert 0 < half.within.value < 0.5


def test_units_of_the_speaker_are_good_within_and_bad_across():
    own = measure_abx(corpus(["ann", "bob"], mix=-1))
    assert own.within.value == 0 and own.across.value == 0.5


def test_errors_worked_by_hand():
    a, b = np.array([1, 1, 1]), np.array([2, 2, 2])
    spoken = [
        Triphone("a", ("k", "t"), "ann", a),
        Triphone("a", ("k", "t"), "ann", np.array([1, 2, 2])),
        Triphone("i", ("k", "t"), "ann", b),
    ]
    # A is nearer to X only where X is "1 1 1": 0.33 against 1; the other way round "1 2 2" is nearer to "2 2 2" (1/3) than to "1 1 1" (2/3).
    found = measure_abx(spoken)
    x, y = dtw([(a, spoken[1].frames), (spoken[1].frames, b)])
    assert (
        found.within.value == np.mean([x > 1, x > y]) and found.across is None and found.report().keys() == {"within"}
    )


def test_triphones_of_an_utterance():
    phones = [("k", 0.0, 0.08), ("ˈa", 0.08, 0.2), ("t", 0.2, 0.28), ("i", 0.28, 0.4)]
    found = list(triphones(np.arange(10), phones, 25.0, "ann"))
    assert [(one.phone, one.context, one.frames.tolist()) for one in found] == [
        ("a", ("k", "t"), list(range(7))),
        ("t", ("a", "i"), list(range(2, 10))),
    ]


def test_nothing_to_compare_is_an_error():
    with pytest.raises(ValueError, match="no two triphones differ"):
        measure_abx([Triphone("a", ("k", "t"), "ann", np.array([1]))])
