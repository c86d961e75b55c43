import numpy as np
import pytest

from datamodules import document_order
from datamodules.packing import PackedStream
from tests.toy_tokens import STREAMS, read_back, spoken, words_vocabulary, write_sentences
from zoo.tokens.documents import Interleaved, SpeechOnly, SpeechThenText, TextOnly
from zoo.tokens.interleave import UniformSpans
from zoo.tokens.store import TokenTable, write_tokens

VOCABULARY = words_vocabulary()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return TokenTable(write_sentences(tmp_path_factory.mktemp("tokens"), train=200), "train")


def stream(table, kind=SpeechOnly, length=64, seed=0, **options):
    return PackedStream(kind(VOCABULARY, table, **options), length, seed)


def split(row):
    """The documents of a row, the last of which may be cut off."""
    starts = np.flatnonzero(row == VOCABULARY.bos)
    assert starts[0] == 0
    return np.split(row, starts[1:])


@pytest.mark.parametrize("length", [7, 64, 500])
@pytest.mark.parametrize("kind", [TextOnly, SpeechOnly, SpeechThenText])
def test_rows_are_full_and_made_of_whole_documents_but_the_last(table, kind, length):
    rows = stream(table, kind, length)
    known = {tuple(rows.form.document(n, None)) for n in range(len(table))}
    for number in range(60):
        row = rows.row(number)
        *whole, last = split(row)
        assert len(row) == length and all(tuple(document) in known for document in whole)
        assert any(tuple(last) == document[: len(last)] for document in known)


def test_a_row_is_a_function_of_seed_and_number(table):
    def make(seed=0):
        return stream(table, Interleaved, seed=seed, spans=UniformSpans((1, 3), (1, 3)))

    forwards = [make().row(n) for n in range(30)]
    other, rows = make(1), make()
    for n in reversed(range(30)):
        assert rows.row(n).tolist() == forwards[n].tolist() != other.row(n).tolist()
    assert len({tuple(row) for row in forwards}) == 30


def test_each_document_is_seen_about_once_an_epoch(table, monkeypatch):
    rows, read = stream(table, length=100), []
    document = rows.form.document
    monkeypatch.setattr(rows.form, "document", lambda row, draw: read.append(row) or document(row, draw))
    for epoch in range(3):
        read.clear()
        for place in range(rows.rows_per_epoch):
            rows.row(epoch * rows.rows_per_epoch + place)
        times = np.bincount(read, minlength=len(table))
        assert np.mean(times == 1) > 0.85 and times.max() == 2 and np.mean(times == 0) < 0.05


@pytest.mark.parametrize("block, group", [(8, 24), (16, 16), (50, 200)])
def test_a_large_corpus_is_shuffled_by_blocks_and_groups(table, monkeypatch, block, group):
    whole = [stream(table, length=100).row(n).tolist() for n in range(5)]
    monkeypatch.setattr(document_order, "BLOCK", block)
    monkeypatch.setattr(document_order, "GROUP", group)
    rows, read = stream(table, length=100), []
    assert rows.order.num_groups == -(-200 // group)
    if rows.order.num_groups == 1:
        assert [rows.row(n).tolist() for n in range(5)] == whole
    document = rows.form.document
    monkeypatch.setattr(rows.form, "document", lambda row, draw: read.append(row) or document(row, draw))
    orders = []
    for epoch in range(2):
        read.clear()
        made = [rows.row(epoch * rows.rows_per_epoch + place).tolist() for place in range(rows.rows_per_epoch)]
        times = np.bincount(read, minlength=len(table))
        assert np.mean(times == 1) > 0.85 and times.max() == 2 and np.mean(times == 0) < 0.05
        assert all(len(row) == 100 for row in made) and np.mean(np.abs(np.diff(read)) == 1) < 0.2
        orders.append(list(dict.fromkeys(read)))
        again = stream(table, length=100)
        assert [
            again.row(epoch * rows.rows_per_epoch + place).tolist() for place in reversed(range(rows.rows_per_epoch))
        ] == made[::-1]
    assert orders[0] != orders[1]


def test_epochs_have_different_orders(table):
    rows = stream(table)
    first, second = (
        [tuple(rows.row(e * rows.rows_per_epoch + n)) for n in range(rows.rows_per_epoch)] for e in range(2)
    )
    assert first != second and sorted(first) != sorted(second)


def test_interleavings_are_cut_anew_each_epoch(table):
    rows = stream(table, Interleaved, length=30, spans=UniformSpans((1, 3), (1, 3)))
    ways = {}
    for number in range(6 * rows.rows_per_epoch):
        document = split(rows.row(number))[0]
        if document[-1] == VOCABULARY.eos:
            said = read_back(document, VOCABULARY)
            ways.setdefault(" ".join(w for _, words in said for w in words), []).append(str(said))
    often = [seen for seen in ways.values() if len(seen) > 2]
    assert often and np.mean([len(set(seen)) > 1 for seen in often]) > 0.9


def test_a_document_longer_than_a_row_is_cut_off(table):
    rows = stream(table, SpeechThenText, length=5)
    for n in range(50):
        (document,) = split(rows.row(n))
        assert len(document) == 5


def test_a_form_that_no_utterance_can_take_is_an_error(table, tmp_path):
    write_tokens(tmp_path, "train", [spoken(0, ["anna"], aligned=False)], STREAMS)
    with pytest.raises(
        ValueError, match="no utterance can be read as Interleaved: it lacks text, speech or word times"
    ):
        stream(TokenTable(tmp_path, "train"), Interleaved, spans=UniformSpans())
