import numpy as np
import pytest

from zoo.comparison.abx import Triphone, measure_abx, triphones
from zoo.comparison.dtw import dtw


def corpus(speakers, noise=0.0, count=4, of_speaker=False):
    """Triphones k-a-t and k-i-t.

    Args:
        speakers: Names.
        noise: Share of frames that have a random unit instead of that of their phone.
        count: Number of triphones of each kind by each speaker.
        of_speaker: Whether each speaker has units of their own.
    """
    draw = np.random.default_rng(0)
    occurrences = []
    for number, speaker in enumerate(speakers):
        for phone in "ai":
            for _ in range(count):
                middle = 1 + "ai".index(phone)
                units = np.array([0, 0, middle, middle, 3]) + 10 * number * of_speaker
                units = np.where(draw.random(5) < noise, draw.integers(4, size=5), units)
                occurrences.append(Triphone(phone, ("k", "t"), speaker, units))
    return occurrences


def test_units_that_are_phones_have_no_error_and_random_units_one_half():
    perfect = measure_abx(corpus(["ann", "bob", "cleo"]))
    assert perfect.within.value == perfect.across.value == 0
    random = measure_abx(corpus(["ann", "bob", "cleo", "dan"], noise=1.0, count=10), max_triphones=10)
    assert random.within.value == pytest.approx(0.5, abs=0.06) and random.across.value == pytest.approx(0.5, abs=0.06)
    half = measure_abx(corpus(["ann", "bob"], noise=0.5))
    assert 0 < half.within.value < 0.5


def test_units_of_the_speaker_are_good_within_and_bad_across():
    own = measure_abx(corpus(["ann", "bob"], of_speaker=True))
    assert own.within.value == 0 and own.across.value == 0.5


def test_errors_worked_by_hand():
    plain = np.array([1, 1, 1])
    mixed = np.array([1, 2, 2])
    other = np.array([2, 2, 2])
    occurrences = [
        Triphone("a", ("k", "t"), "ann", plain),
        Triphone("a", ("k", "t"), "ann", mixed),
        Triphone("i", ("k", "t"), "ann", other),
    ]
    # With "1 1 1" as X, A is nearer than B: 0.33 against 1. With "1 2 2" as X, B is nearer: 1/3 against 2/3.
    result = measure_abx(occurrences)
    to_a, to_b = dtw([(plain, mixed), (mixed, other)])
    assert result.within.value == np.mean([to_a > 1, to_a > to_b])
    assert result.across is None and result.report().keys() == {"within"}


def test_triphones_of_an_utterance():
    phones = [("k", 0.0, 0.08), ("ˈa", 0.08, 0.2), ("t", 0.2, 0.28), ("i", 0.28, 0.4)]
    found = list(triphones(np.arange(10), phones, 25.0, "ann"))
    assert [(triphone.phone, triphone.context) for triphone in found] == [("a", ("k", "t")), ("t", ("a", "i"))]
    assert [triphone.frames.tolist() for triphone in found] == [list(range(7)), list(range(2, 10))]


def test_nothing_to_compare_is_an_error():
    with pytest.raises(ValueError, match="no two triphones differ"):
        measure_abx([Triphone("a", ("k", "t"), "ann", np.array([1]))])
