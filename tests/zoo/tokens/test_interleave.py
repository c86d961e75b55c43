import numpy as np
import pytest

from zoo.tokens.interleave import BinomialSpans, PoissonSpans, TimedSpans, UniformSpans

SAMPLERS = [
    UniformSpans(),
    UniformSpans((2, 6), (1, 1)),
    PoissonSpans(),
    PoissonSpans(0.3, 0.5),
    BinomialSpans(),
    TimedSpans(),
    TimedSpans(0.5, 0.2),
    TimedSpans(2.0, 0.0),
]
each_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=map(str, SAMPLERS))


def cut(sampler, num_words, starts_with_speech=False, seed=0):
    ends = np.cumsum(np.random.default_rng(num_words).uniform(0.1, 0.8, num_words))
    return sampler.sample_cuts(ends, starts_with_speech, np.random.default_rng(seed))


@each_sampler
def test_spans_cover_every_word_once(sampler):
    for words in (1, 2, 3, 17, 200):
        for seed in range(20):
            cuts = cut(sampler, words, bool(seed % 2), seed)
            assert cuts[-1] == words and (np.diff(cuts, prepend=0) > 0).all()


@each_sampler
def test_cuts_are_a_function_of_the_seed(sampler):
    assert cut(sampler, 100, seed=3).tolist() == cut(sampler, 100, seed=3).tolist()
    if sampler != TimedSpans(2.0, 0.0):
        assert len({tuple(cut(sampler, 100, seed=seed)) for seed in range(20)}) > 10


@pytest.mark.parametrize(
    "sampler, text, speech", [(UniformSpans(), (10, 30), (5, 15)), (UniformSpans((2, 6), (1, 3)), (2, 6), (1, 3))]
)
def test_uniform_spans_take_every_length_of_their_range_equally_often(sampler, text, speech):
    for starts_with_speech in (False, True):
        lengths = [[], []]
        for seed in range(300):
            for place, length in enumerate(np.diff(cut(sampler, 300, starts_with_speech, seed), prepend=0)[:-1]):
                lengths[(place + starts_with_speech) % 2].append(length)
        for seen, (low, high) in zip(lengths, (text, speech), strict=True):
            counts = np.bincount(seen)
            assert (min(seen), max(seen)) == (low, high)
            assert counts[low:].min() > 0.6 * counts[low:].mean()


def test_the_paper_gives_the_default():
    assert UniformSpans() == UniformSpans(text_words=(10, 30), speech_words=(5, 15))


@pytest.mark.parametrize("text, speech, name", [((0, 3), (1, 2), "text_words"), ((1, 2), (5, 4), "speech_words")])
def test_an_impossible_range_is_an_error(text, speech, name):
    with pytest.raises(ValueError, match=f"{name}: want 1 <= fewest <= most"):
        UniformSpans(text, speech)


@pytest.mark.parametrize(
    "kind, arguments",
    [
        (PoissonSpans, (0.0, 0.3)),
        (PoissonSpans, (5.0, 1.0)),
        (BinomialSpans, (0, 0.5)),
        (BinomialSpans, (9, 1.5)),
        (TimedSpans, (2.0, 1.0)),
        (TimedSpans, (-1.0, 0.0)),
    ],
)
def test_impossible_spans_are_an_error_before_any_is_drawn(kind, arguments):
    with pytest.raises(ValueError, match=f"want .*, got {kind.__name__}"):
        kind(*arguments)


def test_poisson_spans_keep_the_share_of_speech():
    spoken = 0
    for seed in range(200):
        lengths = np.diff(cut(PoissonSpans(10.0, 0.3), 400, bool(seed % 2), seed), prepend=0)
        spoken += lengths[1 - seed % 2 :: 2].sum()
    assert spoken / (200 * 400) == pytest.approx(0.3, abs=0.02)


def test_binomial_spans_have_their_mean_and_are_never_empty():
    lengths = np.concatenate(
        [np.diff(cut(BinomialSpans(40, 0.1), 400, False, seed), prepend=0)[:-1] for seed in range(100)]
    )
    assert lengths.min() >= 1 and lengths.mean() == pytest.approx(4.0, abs=0.15)


def test_timed_cuts_fall_on_the_word_end_nearest_to_their_time():
    ends = np.cumsum(np.full(100, 0.5))
    cuts = TimedSpans(4.0, 0.0).sample_cuts(ends, False, np.random.default_rng(0))
    assert cuts.tolist() == [*range(8, 100, 8), 100]
    between = np.concatenate(
        [
            np.diff(ends[TimedSpans(4.0, 0.7).sample_cuts(ends, False, np.random.default_rng(s)) - 1])[:-1]
            for s in range(50)
        ]
    )
    assert (
        between.min() >= 4 - 2 * 0.7 - 0.5
        and between.max() <= 4 + 2 * 0.7 + 0.5
        and between.mean() == pytest.approx(4, abs=0.1)
    )
