from dataclasses import replace

import numpy as np
import pytest

from tests.toy_tokens import STREAMS, sentences, spoken
from zoo.tokens import store
from zoo.tokens.schema import LISTS
from zoo.tokens.store import TokenTable, write_tokens
from zoo.tokens.units import Stream

ARRAYS = [name for name in LISTS if name != "words"]


@pytest.fixture
def rows():
    rows = sentences(23)
    rows[4] = spoken(4, ["anna", "tom"], aligned=False)
    empty = np.zeros(0, np.int64)
    rows[9] = replace(spoken(9, ["ben"], aligned=False), units={"Hu": empty}, speech_ids=empty, speech_times=empty)
    rows[22] = spoken(22, ["vera"], aligned=False)
    return rows


@pytest.fixture(params=[5, 23, 1000])
def table(request, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "ROWS_PER_SHARD", request.param)
    assert write_tokens(tmp_path, "train", iter(rows), STREAMS) == 23
    assert len(list(tmp_path.iterdir())) == -(-23 // request.param)
    return TokenTable(tmp_path, "train")


def equal(a, b):
    return (a is None) == (b is None) and (
        a is None or np.asarray(a, np.float32).tolist() == np.asarray(b, np.float32).tolist()
    )


def test_what_is_read_is_what_was_written(table, rows, tmp_path):
    assert len(table) == 23
    for number, (got, want) in enumerate(zip(table, rows, strict=True)):
        for name, value in vars(want).items():
            if name in ARRAYS:
                assert equal(getattr(got, name), value) and equal(table.optional_array(number, name), value), name
            elif name == "units":
                assert equal(got.units["Hu"], value["Hu"]) and equal(table.optional_array(number, "Hu"), value["Hu"])
            elif name == "audio":  # relative to the tokens, with which it moves
                assert got.audio == str(tmp_path / value)
            else:
                assert getattr(got, name) == value, name


def test_lengths_tell_absent_from_empty(table, rows):
    for name in ARRAYS:
        assert table.lengths(name).tolist() == [-1 if (v := getattr(row, name)) is None else len(v) for row in rows]
    assert table.lengths("Hu").tolist() == [len(row.units["Hu"]) for row in rows]


def test_flat_columns(table, rows):
    assert table.values("speaker") == [row.speaker for row in rows] and table.values("style") == [
        row.style for row in rows
    ]


def test_streams_of_every_kind_are_kept(tmp_path):
    streams = (*STREAMS, Stream("St", 3, 1.0, dedup=False))
    row = spoken(0, ["anna"])
    write_tokens(tmp_path, "dev", [replace(row, units=row.units | {"St": np.array([2, 2])})], streams)
    assert TokenTable(tmp_path, "dev").array(0, "St").tolist() == [2, 2]


def test_a_missing_split_tells_what_there_is(tmp_path, rows):
    with pytest.raises(FileNotFoundError, match="no 'train' tokens in .* .it has none.: run the tokens stage first"):
        TokenTable(tmp_path, "train")
    write_tokens(tmp_path, "dev", rows, STREAMS)
    with pytest.raises(FileNotFoundError, match=r"no 'train' tokens in .*it has \['dev'\]"):
        TokenTable(tmp_path, "train")


def test_writing_again_leaves_nothing_of_before(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(store, "ROWS_PER_SHARD", 5)
    write_tokens(tmp_path, "train", rows, STREAMS)
    write_tokens(tmp_path, "train", rows[:3], STREAMS)
    assert len(TokenTable(tmp_path, "train")) == 3


def test_a_row_that_fails_leaves_no_half_shard(tmp_path, rows):
    def failing():
        yield from rows
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_tokens(tmp_path, "train", failing(), STREAMS)
    assert list(tmp_path.iterdir()) == []
