import numpy as np
import pytest

from zoo.tokens.units import Stream, merge, parse, runs

SPIRIT = (Stream("Hu", 501, 25.0, clock=24.99), Stream("Pi", 64, 12.5), Stream("St", 100, 1.0, dedup=False))


def units(stream, count, draw):
    """Units of which about half repeat the one before."""
    steps = draw.integers(0, 2, count) * draw.integers(1, stream.size, count)
    return np.cumsum(steps) % stream.size


def test_runs_rebuild_the_units():
    draw = np.random.default_rng(0)
    for count in (0, 1, 2, 57):
        values = draw.integers(0, 3, count)
        starts, lengths = runs(values)
        assert np.repeat(values[starts], lengths).tolist() == values.tolist()
        assert (values[starts][1:] != values[starts][:-1]).all() and (lengths > 0).all()


def test_the_pitch_unit_precedes_the_phonetic_one_of_its_time():
    streams = (Stream("Hu", 2000, 25.0, clock=24.99), Stream("Pi", 1000, 12.5))
    tokens = merge({"Hu": np.arange(1000), "Pi": np.arange(500)}, streams)
    names = str(tokens)[1:-1].split("][")
    for k in range(500):
        at = names.index(f"Pi{k}")
        assert names[at + 1] == f"Hu{2 * k}"
        assert k == 0 or names[at - 1] == f"Hu{2 * k - 1}"


def test_of_tokens_that_start_together_those_of_later_streams_come_first():
    tokens = merge({"Hu": np.array([7]), "Pi": np.array([8]), "St": np.array([9])}, SPIRIT)
    assert str(tokens) == "[St9][Pi8][Hu7]"


def test_the_order_of_spirit_lm_worked_by_hand():
    frames = {"Hu": np.array([3, 3, 5, 5, 5, 3]), "Pi": np.array([1, 1, 2]), "St": np.array([4])}
    assert str(merge(frames, SPIRIT)) == "[St4][Pi1][Hu3][Hu5][Pi2][Hu3]"


@pytest.mark.parametrize("seed", range(5))
def test_each_stream_comes_through_deduplicated_in_order_of_time(seed):
    draw = np.random.default_rng(seed)
    seconds = int(draw.integers(1, 30))
    frames = {s.prefix: units(s, int(seconds * s.rate), draw) for s in SPIRIT}
    tokens = merge(frames, SPIRIT)
    assert (np.diff(tokens.time) >= 0).all()
    for index, stream in enumerate(SPIRIT):
        starts = runs(frames[stream.prefix])[0] if stream.dedup else np.arange(len(frames[stream.prefix]))
        assert tokens.of(stream.prefix).tolist() == frames[stream.prefix][starts].tolist()
        assert tokens.time[tokens.stream == index].tolist() == (starts / (stream.clock or stream.rate)).tolist()


def test_styles_repeat_while_phonetic_units_do_not():
    tokens = merge({"Hu": np.zeros(50, int), "Pi": np.zeros(25, int), "St": np.zeros(2, int)}, SPIRIT)
    assert [len(tokens.of(p)) for p in ("Hu", "Pi", "St")] == [1, 1, 2]


def test_parsing_is_the_opposite_of_writing():
    draw = np.random.default_rng(0)
    tokens = merge({s.prefix: units(s, int(10 * s.rate), draw) for s in SPIRIT}, SPIRIT)
    again = parse(str(tokens), SPIRIT)
    assert again.stream.tolist() == tokens.stream.tolist() and again.unit.tolist() == tokens.unit.tolist() and again.time is None
    assert str(parse(" [Hu1] [Pi2]\n[Hu1]", SPIRIT)) == "[Hu1][Pi2][Hu1]"
    assert len(parse("", SPIRIT)) == 0 and str(parse("", SPIRIT)) == ""


@pytest.mark.parametrize("text, says", [
    ("[Hu1][Xy2]", r"\[Xy2\]: no stream 'Xy'; this tokenizer has Hu, Pi, St"),
    ("[Hu1][Hu501]", r"\[Hu501\]: Hu units are 0 to 500"),
    ("[Pi64]", "Pi units are 0 to 63"),
    ("[Hu1]oops[Hu2]", "'oops' in the units is not of the form"),
    ("[Hu-1]", "not of the form"),
    ("[Hu1", "not of the form"),
    ("12 13", "not of the form"),
])
def test_what_is_no_unit_is_named(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text, SPIRIT)


def test_no_frames_are_no_tokens():
    assert len(merge({"Hu": np.zeros(0, np.int64)}, SPIRIT[:1])) == 0
