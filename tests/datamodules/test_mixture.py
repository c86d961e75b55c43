import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.mixture import PERIOD, Mixture
from datamodules.packing import PackedStream
from tests.toy_tokens import words_vocabulary, write_sentences
from zoo.tokens.documents import Interleaved, SpeechOnly, TextOnly
from zoo.tokens.interleave import UniformSpans
from zoo.tokens.store import TokenTable

VOCABULARY = words_vocabulary()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return TokenTable(write_sentences(tmp_path_factory.mktemp("tokens"), train=200), "train")


def stream(table, kind=SpeechOnly, length=64, seed=0, **options):
    return PackedStream(kind(VOCABULARY, table, **options), length, seed)


def mixture(table, weights=None, batch_size=4, batches=range(1 << 40), seed=0):
    streams = {
        "text": stream(table, TextOnly),
        "speech": stream(table, SpeechOnly, seed=1),
        "interleaved": stream(table, Interleaved, seed=2, spans=UniformSpans((1, 3), (1, 3))),
    }
    return Mixture(streams, weights or {"text": 0.2, "speech": 0.3, "interleaved": 0.5}, batch_size, batches, seed)


@pytest.mark.parametrize(
    "weights, counts",
    [
        ((0.2, 0.3, 0.5), (200, 300, 500)),
        ((1, 1, 1), (333, 334, 333)),
        ((0, 7, 0), (0, 1000, 0)),
        ((0.0333, 1.4, 2.5), (8, 356, 636)),
    ],
)
def test_of_a_thousand_rows_each_stream_has_its_share(table, weights, counts):
    mixed = mixture(table, dict(zip(("text", "speech", "interleaved"), weights, strict=True)))
    for period in (0, 1, 7):
        drawn = np.bincount([mixed.order.locate(period * PERIOD + n)[0] for n in range(PERIOD)], minlength=3)
        assert drawn.tolist() == list(counts)


def test_each_stream_is_read_row_by_row_with_none_missing_or_twice(table):
    mixed, following = mixture(table), [0, 0, 0]
    for number in range(3 * PERIOD):
        found, row = mixed.order.locate(number)
        assert row == following[found]
        following[found] += 1


def test_streams_are_in_another_order_in_each_thousand_and_with_each_seed(table):
    def order(seed, period):
        return [mixture(table, seed=seed).order.locate(period * PERIOD + n)[0] for n in range(50)]

    assert order(0, 0) == order(0, 0) and len({tuple(order(*where)) for where in ((0, 0), (0, 1), (1, 0))}) == 3


def test_a_batch_is_a_function_of_seed_and_number(table):
    forwards = [mixture(table).batch(n) for n in range(12)]
    mixed = mixture(table)
    for n in reversed(range(12)):
        assert torch.equal(mixed.batch(n), forwards[n])
    assert forwards[0].shape == (4, 64) and forwards[0].dtype == torch.int64
    assert not torch.equal(mixture(table, seed=1).batch(0), forwards[0])


def test_the_batch_size_only_cuts_the_rows_differently(table):
    two, six = (torch.cat([mixture(table, batch_size=size).batch(n) for n in range(12 // size)]) for size in (2, 6))
    assert torch.equal(two, six)


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_serves_the_same_batches(table, workers):
    want = list(mixture(table, batches=range(3, 11)))
    got = list(DataLoader(mixture(table, batches=range(3, 11)), batch_size=None, num_workers=workers))
    assert len(want) == len(got) == 8 and all(torch.equal(a, b) for a, b in zip(want, got, strict=True))


def test_weights_that_fit_no_stream_are_errors(table):
    with pytest.raises(ValueError, match="must have the same names"):
        mixture(table, {"text": 1.0})
    for wrong in (-0.1, 0.0):
        with pytest.raises(ValueError, match="weights must not be negative nor all zero"):
            mixture(table, {"text": wrong, "speech": 0.0, "interleaved": 0.0})
