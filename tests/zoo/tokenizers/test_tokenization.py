import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from lhotse import CutSet, Recording

from tests.toy_tokens import WORDS, words_vocabulary
from zoo.audio import write
from zoo.corpora.utterance import Utterance, to_cut
from zoo.tokenizers.speech_tokenizer import SpeechTokenizer
from zoo.tokenizers.tally import Tally, write_skipped
from zoo.tokenizers.tokenization import encode_recording, tokenize_cuts
from zoo.tokens.store import TokenTable, write_tokens
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

RATE, FRAME = 16000, 640


class Loudness(SpeechTokenizer):
    """Units are the peak of each 40 ms, in twentieths, so that a test can synthesize them; at least 80 ms."""

    def __init__(self):
        super().__init__()
        self.streams = (Stream("Hu", 20, 25.0),)
        self.sample_rate = RATE

    def encode(self, waveform):
        if len(waveform) < 2 * FRAME:
            return {"Hu": np.zeros(0, np.int64)}
        peaks = waveform[: len(waveform) // FRAME * FRAME].view(-1, FRAME).abs().amax(1)
        return {"Hu": (peaks * 20).round().long().clamp(max=19).numpy()}


VOCABULARY = Vocabulary(words_vocabulary().text, Loudness().streams, multiple=8)


def synthesize(units):
    """Each unit as 40 ms of a constant."""
    return torch.tensor(units).repeat_interleave(FRAME) / 20


@pytest.fixture
def cuts(tmp_path):
    def make(*spoken):
        """(name, units, text, words) each; the cuts over written files."""
        made = []
        for name, units, text, words in spoken:
            path = tmp_path / f"{name}.wav"
            write(path, synthesize(units), RATE)
            recording = Recording.from_file(path, recording_id=name)
            made.append(to_cut(Utterance(name, text, "en", "ann", "sad", words, None, recording.duration), recording))
        return CutSet.from_cuts(made)

    return make


def rows(cuts, tally=None, **options):
    return list(tokenize_cuts(cuts, Loudness(), VOCABULARY, tally or Tally(), **options))


def units_of_words(row):
    """Return the units of each word."""
    return [VOCABULARY.tokens(row.speech_ids[start:end]).unit.tolist() for start, end in pairwise(row.word_speech)]


# 0.0-0.08 silence, anna 0.08-0.2, silence 0.2-0.28, tom 0.28-0.4, silence to 0.48
UNITS = [0, 0, 5, 6, 6, 0, 0, 7, 8, 8, 0, 0]
TIMES = (("anna", 0.08, 0.2), ("tom", 0.28, 0.4))


def test_a_word_owns_the_tokens_up_to_the_next_and_the_outer_words_the_silence_outside(cuts):
    (row,) = rows(cuts(("a", UNITS, "anna tom", TIMES)))
    assert row.units["Hu"].tolist() == UNITS
    assert units_of_words(row) == [[0, 5, 6, 0], [7, 8, 0]]
    assert row.word_ends.tolist() == pytest.approx([0.2, 0.4]) and row.words == ["anna", "tom"]
    assert row.speech_times.tolist() == pytest.approx([0.0, 0.08, 0.12, 0.2, 0.28, 0.32, 0.4])
    assert (row.id, row.text, row.language, row.speaker, row.style, row.start) == (
        "a",
        "anna tom",
        "en",
        "ann",
        "sad",
        0.0,
    )
    assert row.duration == pytest.approx(0.48) and row.audio.endswith("a.wav")


@pytest.mark.parametrize("start, owner", [(0.25, 1), (0.28, 1), (0.281, 0), (0.31, 0)])
def test_a_token_that_began_before_a_word_is_not_its_own(cuts, start, owner):
    (row,) = rows(cuts(("a", UNITS, "anna tom", (("anna", 0.08, 0.2), ("tom", start, 0.4)))))
    assert 7 in units_of_words(row)[owner] and 7 not in units_of_words(row)[1 - owner]


def test_every_token_and_piece_is_some_words(cuts):
    draw = np.random.default_rng(0)
    for number in range(20):
        ends = np.cumsum(draw.uniform(0.02, 0.2, 8))
        words = tuple((WORDS[i], ends[i - 1] if i else 0.01, ends[i]) for i in range(8))
        units = draw.integers(0, 20, int(ends[-1] * 25) + 2).tolist()
        (row,) = rows(cuts((f"u{number}", units, " ".join(WORDS[:8]), words)))
        assert row.word_speech[0] == 0 == row.word_text[0] and (np.diff(row.word_speech) >= 0).all()
        assert row.word_speech[-1] == len(row.speech_ids) and row.word_text[-1] == len(row.text_ids)
        decoded = [VOCABULARY.text.decode(row.text_ids[start:end]) for start, end in pairwise(row.word_text)]
        assert decoded == row.words


def test_words_take_the_punctuation_of_the_text_where_their_numbers_agree(cuts):
    a, b = rows(cuts(("a", UNITS, "Anna, tom!", TIMES), ("b", UNITS, "anna and tom", TIMES)))
    assert VOCABULARY.text.decode(a.text_ids) == "Anna, tom!" and a.words == ["anna", "tom"]
    assert VOCABULARY.text.decode(b.text_ids) == "anna tom" and b.text == "anna and tom"


def test_without_word_times_there_is_no_alignment(cuts):
    (row,) = rows(cuts(("a", UNITS, "anna tom", None)))
    assert row.words is row.word_ends is row.word_text is row.word_speech is None
    assert VOCABULARY.text.decode(row.text_ids) == "anna tom" and len(row.speech_ids) == 7


def test_speeds_shorten_speech_and_word_times_alike(cuts):
    units = np.repeat(UNITS, 8).tolist()
    words = tuple((w, 8 * a, 8 * b) for w, a, b in TIMES)
    slow, plain, fast = rows(cuts(("a", units, "anna tom", words)), speeds=(0.8, 1.0, 1.6))
    assert (slow.id, plain.id, fast.id) == ("a@0.8", "a", "a@1.6")
    for row, speed in ((slow, 0.8), (plain, 1.0), (fast, 1.6)):
        assert row.duration == pytest.approx(3.84 / speed, abs=1e-3)
        assert row.word_ends.tolist() == pytest.approx([1.6 / speed, 3.2 / speed])
        first = row.word_speech[1]
        assert (
            row.speech_times[first] == pytest.approx(2.24 / speed)
            and VOCABULARY.tokens(row.speech_ids[first:]).unit[0] == 7
        )
        assert row.text_ids.tolist() == plain.text_ids.tolist()
    assert plain.audio and not slow.audio and not fast.audio


def test_too_short_for_a_unit_is_kept_without_speech_and_counted(cuts):
    tally = Tally()
    short, whole = rows(cuts(("s", [5], "anna", (("anna", 0.0, 0.04),)), ("w", UNITS, "anna tom", TIMES)), tally)
    assert len(short.speech_ids) == len(short.units["Hu"]) == 0 and short.word_speech.tolist() == [0, 0]
    assert (tally.utterances, tally.empty, tally.skipped) == (2, 1, [])
    assert tally.speech_tokens == 7 and tally.tokens_per_second == pytest.approx(7 / 0.52)


def spoiled(cuts, tmp_path, count=5):
    """The second is NaN, the third was cut off after it was listed, the fourth is gone."""
    made = cuts(*((f"u{n}", UNITS, "anna tom", TIMES) for n in range(count)))
    soundfile.write(tmp_path / "u1.wav", np.full(len(UNITS) * FRAME, np.nan), RATE, subtype="FLOAT")
    (tmp_path / "u2.wav").write_bytes(b"RIFF")
    (tmp_path / "u3.wav").unlink()
    return made


def test_unreadable_audio_is_left_out_counted_and_listed(cuts, tmp_path):
    tally = Tally()
    assert [row.id for row in rows(spoiled(cuts, tmp_path), tally)] == ["u0", "u4"]
    write_skipped(tmp_path / "skipped.jsonl", [tally])
    listed = {
        item["id"]: item["reason"] for item in map(json.loads, (tmp_path / "skipped.jsonl").read_text().splitlines())
    }
    assert tally.utterances == 2 and listed.keys() == {"u1", "u2", "u3"}
    assert "NaN" in listed["u1"] and all(f"{name}.wav" in reason for name, reason in listed.items())


@pytest.mark.parametrize("speeds", [(1.0,), (0.8, 1.0, 1.25)])
def test_a_larger_bad_share_than_allowed_is_an_error_whatever_the_speeds(cuts, tmp_path, speeds):
    tally = Tally()
    rows(spoiled(cuts, tmp_path), tally, speeds=speeds)
    tally.check(0.6, tmp_path / "skipped.jsonl")
    with pytest.raises(
        ValueError, match=r"3 of 5 utterances could not be read.*max_bad_share=0.59; the first: u1: .*skipped.jsonl"
    ):
        tally.check(0.59, tmp_path / "skipped.jsonl")


def test_nothing_left_is_an_error():
    with pytest.raises(ValueError, match="the split is empty"):
        Tally().check(1.0, "skipped.jsonl")


def test_rows_go_through_the_store(cuts, tmp_path):
    made = rows(cuts(("a", UNITS, "anna tom", TIMES), ("b", UNITS, "anna tom", None)))
    write_tokens(tmp_path / "tokens", "train", made, Loudness().streams)
    table = TokenTable(tmp_path / "tokens", "train")
    assert units_of_words(table[0]) == units_of_words(made[0]) and table[1].word_speech is None


class RecordsBatches(Loudness):
    """Encodes chunks of 0.2 s, and records the lengths in each batch."""

    chunk_seconds = 0.2

    def __init__(self):
        super().__init__()
        self.batches = []

    def encode_batch(self, waveforms):
        self.batches.append([len(waveform) for waveform in waveforms])
        return [self.encode(waveform) for waveform in waveforms]


def test_long_speech_is_encoded_in_chunks_and_batches_are_of_similar_lengths(cuts):
    tokenizer, draw = RecordsBatches(), np.random.default_rng(0)
    spoken = [draw.integers(0, 20, length).tolist() for length in (100, 3, 52, 4, 12, 1, 30)]
    made = list(
        tokenize_cuts(
            cuts(*((f"u{n}", units, "", None) for n, units in enumerate(spoken))),
            tokenizer,
            VOCABULARY,
            Tally(),
            batch_seconds=0.5,
        )
    )
    for row, units in zip(made, spoken, strict=True):
        whole_chunks = len(units) - len(units) % 5
        want = units if len(units) - whole_chunks != 1 else units[:whole_chunks]  # a rest under 80 ms has no units
        assert row.units["Hu"].tolist() == want and row.duration == pytest.approx(len(units) * 0.04)
    assert max(sum(batch) for batch in tokenizer.batches) <= 0.5 * RATE and max(map(len, tokenizer.batches)) > 1
    lengths = [length for batch in tokenizer.batches for length in batch]
    assert max(lengths) == 0.2 * RATE and len(lengths) == sum(-(-len(units) // 5) for units in spoken)


def test_a_constant_signal_is_listed_and_not_tokenized(cuts):
    tally = Tally()
    assert not rows(cuts(("s", [0] * 10, "anna", None), ("d", [7] * 10, "anna", None)), tally)
    assert [item["id"] for item in tally.skipped] == ["s", "d"]
    assert all("all samples are equal" in item["reason"] for item in tally.skipped)


def test_a_long_recording_is_encoded_chunk_by_chunk(cuts):
    tokenizer = Loudness()
    tokenizer.chunk_seconds = 0.4
    units = np.random.default_rng(0).integers(1, 19, 100)
    (cut,) = cuts(("long", units, "anna", None))
    assert np.array_equal(encode_recording(cut, tokenizer)["Hu"], units)
