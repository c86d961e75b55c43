import numpy as np
import pytest

from zoo.interop.spiritlm.strings import KEYS, string_to_units, units_to_string
from zoo.interop.spiritlm.strings import STREAMS as SPIRIT
from zoo.tokens.merged_streams import merge, parse, unmerge
from zoo.tokens.units import Stream, runs
from zoo.vocoder.unit_inputs import align_to_phonetic

SUBSETS = [SPIRIT[:1], SPIRIT[:2], SPIRIT[::2], SPIRIT]


def units(stream, count, draw):
    """Units of which about half repeat the one before."""
    steps = draw.integers(0, 2, count) * draw.integers(1, stream.size, count)
    return np.cumsum(steps) % stream.size


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
    assert (
        again.stream.tolist() == tokens.stream.tolist()
        and again.unit.tolist() == tokens.unit.tolist()
        and again.time is None
    )
    assert str(parse(" [Hu1] [Pi2]\n[Hu1]", SPIRIT)) == "[Hu1][Pi2][Hu1]"
    assert len(parse("", SPIRIT)) == 0 and str(parse("", SPIRIT)) == ""


@pytest.mark.parametrize(
    "text, says",
    [
        ("[Hu1][Xy2]", r"\[Xy2\]: no stream 'Xy'; this tokenizer has Hu, Pi, St"),
        ("[Hu1][Hu501]", r"\[Hu501\]: Hu units are 0 to 500"),
        ("[Pi64]", "Pi units are 0 to 63"),
        ("[Hu1]oops[Hu2]", "'oops' in the units is not of the form"),
        ("[Hu-1]", "not of the form"),
        ("[Hu1", "not of the form"),
        ("12 13", "not of the form"),
    ],
)
def test_what_is_no_unit_is_named(text, says):
    with pytest.raises(ValueError, match=says):
        parse(text, SPIRIT)


def test_no_frames_are_no_tokens():
    assert len(merge({"Hu": np.zeros(0, np.int64)}, SPIRIT[:1])) == 0


def raw(streams, draw, seconds=None):
    """Raw units of so many seconds; the streams' lengths may differ by a frame or two, as those of real speech do."""
    seconds = draw.uniform(0, 130) if seconds is None else seconds
    return {s.prefix: units(s, max(0, int(seconds * s.rate) + int(draw.integers(-2, 3))), draw) for s in streams}


@pytest.mark.parametrize("streams", SUBSETS, ids=lambda streams: "+".join(s.prefix for s in streams))
@pytest.mark.parametrize("seed", range(8))
def test_any_streams_merge_into_the_official_string(streams, seed):
    draw = np.random.default_rng(seed)
    frames = raw(streams, draw)
    official = units_to_string(
        {KEYS[prefix]: " ".join(map(str, row)) for prefix, row in frames.items()},
        has_pitch="Pi" in frames,
        has_style="St" in frames,
    )
    assert str(merge(frames, streams)) == official


@pytest.mark.parametrize(
    "streams", [*SUBSETS, SPIRIT[1:], SPIRIT[2:]], ids=lambda streams: "+".join(s.prefix for s in streams)
)
@pytest.mark.parametrize("seed", range(8))
def test_frames_come_back_from_tokens_with_times(streams, seed):
    frames = raw(streams, np.random.default_rng(seed))
    tokens = merge(frames, streams)
    again = unmerge(tokens, {prefix: len(row) for prefix, row in frames.items()})
    assert again.keys() == frames.keys() and all(again[prefix].tolist() == frames[prefix].tolist() for prefix in frames)
    assert str(merge(again, streams)) == str(tokens)


@pytest.mark.parametrize("seed", range(8))
def test_a_string_is_read_as_the_official_code_reads_it(seed):
    """One pitch and style for each phonetic unit: those that hold at it."""
    draw = np.random.default_rng(seed)
    tokens = parse(str(merge(raw(SPIRIT, draw, seconds=1 + draw.uniform(0, 20)), SPIRIT)), SPIRIT)
    official = string_to_units(str(tokens))
    held = align_to_phonetic(tokens, SPIRIT)
    assert {KEYS[prefix]: " ".join(map(str, row)) for prefix, row in held.items()} == official
    assert " ".join(map(str, tokens.of("Hu"))) == official["hubert"]


def test_frames_do_not_come_back_without_times_or_with_wrong_counts():
    frames = {"Hu": np.array([1, 1, 2]), "Pi": np.array([4])}
    tokens = merge(frames, SPIRIT[:2])
    with pytest.raises(ValueError, match="have no times"):
        unmerge(parse(str(tokens), SPIRIT[:2]), {"Hu": 3, "Pi": 1})
    for counts, says in (
        ({"Hu": 2, "Pi": 1}, "the 2 Hu tokens do not fill 2 frames"),
        ({"Hu": 3, "Pi": 0}, "the 1 Pi tokens do not fill 0 frames"),
    ):
        with pytest.raises(ValueError, match=says):
            unmerge(tokens, counts)
    with pytest.raises(ValueError, match="the 0 Hu tokens do not fill 5 frames"):
        unmerge(merge({"Hu": np.zeros(0, np.int64)}, SPIRIT[:1]), {"Hu": 5})


@pytest.mark.parametrize(
    "streams, runs_of, tokens", [(SPIRIT[:1], {"Hu": 167}, 167), (SPIRIT, {"Hu": 167, "Pi": 82, "St": 10}, 259)]
)
def test_the_arithmetic_of_the_golden_clip(streams, runs_of, tokens):
    """9.135 s of 228, 114 and 10 raw units make 167 tokens of Base and 259 of Expressive, all ten styles kept even if they are equal."""
    draw, counts = np.random.default_rng(0), {"Hu": 228, "Pi": 114, "St": 10}
    frames = {"St": np.full(10, 7)}
    for prefix in ("Hu", "Pi"):
        changes = np.zeros(counts[prefix], dtype=np.int64)
        changes[1 + draw.permutation(counts[prefix] - 1)[: runs_of.get(prefix, 1) - 1]] = 1
        frames[prefix] = np.cumsum(changes) % 50
    merged = merge({s.prefix: frames[s.prefix] for s in streams}, streams)
    assert len(merged) == tokens and {s.prefix: len(merged.of(s.prefix)) for s in streams} == runs_of
    assert round(len(merged) / 9.135, 1) == {167: 18.3, 259: 28.4}[tokens]
