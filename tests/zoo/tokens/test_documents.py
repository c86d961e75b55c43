from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.toy_tokens import STREAMS, read_back, sentences, spoken, words_vocabulary
from zoo.tokens.documents import Interleaved, SpeechOnly, SpeechThenText, TextOnly, TextThenSpeech, WordTranscription
from zoo.tokens.interleave import BinomialSpans, UniformSpans
from zoo.tokens.store import TokenTable, write_tokens

VOCABULARY = words_vocabulary()


@pytest.fixture
def table(tmp_path):
    rows = [*sentences(12), spoken(12, ["anna", "tom"], aligned=False), spoken(13, ["tom"])]
    write_tokens(tmp_path, "train", rows, STREAMS)
    return TokenTable(tmp_path, "train")


def documents(form, seed=0):
    return {int(row): form.document(int(row), np.random.default_rng(seed)) for row in form.rows}


@pytest.mark.parametrize(
    "kind, spans",
    [
        (TextOnly, ["text"]),
        (SpeechOnly, ["speech"]),
        (SpeechThenText, ["speech", "text"]),
        (TextThenSpeech, ["text", "speech"]),
    ],
)
def test_whole_utterances_in_their_order(table, kind, spans):
    form = kind(VOCABULARY, table)
    assert form.rows.tolist() == list(range(14))
    for number, ids in documents(form).items():
        assert read_back(ids, VOCABULARY) == [(modality, table[number].text.split()) for modality in spans]
        assert (
            ids[0] == VOCABULARY.bos
            and ids[-1] == VOCABULARY.eos
            and not {VOCABULARY.bos, VOCABULARY.eos} & set(ids[1:-1])
        )


@pytest.mark.parametrize("kind", [TextOnly, SpeechOnly, SpeechThenText, TextThenSpeech])
def test_expected_lengths_are_exact_where_nothing_is_drawn(table, kind):
    form = kind(VOCABULARY, table)
    assert form.lengths.tolist() == [len(ids) for ids in documents(form).values()]


@pytest.mark.parametrize("spans", [UniformSpans((1, 3), (1, 2)), BinomialSpans(8, 0.2), UniformSpans()], ids=str)
def test_interleaving_says_every_word_once_in_one_modality(table, spans):
    form = Interleaved(VOCABULARY, table, spans)
    assert form.rows.tolist() == [*range(12), 13]
    for seed in range(20):
        for number, ids in documents(form, seed).items():
            said = read_back(ids, VOCABULARY)
            assert [word for _, words in said for word in words] == table[number].words
            assert all(a != b for (a, _), (b, _) in pairwise(said)) and all(words for _, words in said)


def test_either_modality_begins_half_of_the_time(table):
    form = Interleaved(VOCABULARY, table, UniformSpans((1, 3), (1, 3)))
    first = [form.document(0, np.random.default_rng(seed))[1] for seed in range(400)]
    assert set(first) == {VOCABULARY.text_marker, VOCABULARY.speech_marker}
    assert np.mean(np.array(first) == VOCABULARY.speech_marker) == pytest.approx(0.5, abs=0.08)


def test_the_expected_length_of_interleavings_is_their_mean(table):
    form = Interleaved(VOCABULARY, table, UniformSpans((2, 4), (2, 4)))
    lengths = np.mean([[len(ids) for ids in documents(form, seed).values()] for seed in range(100)], axis=0)
    assert lengths.sum() == pytest.approx(form.lengths.sum(), rel=0.1)


def test_no_switch_before_a_word_of_low_confidence(tmp_path):
    row = spoken(0, ["anna", "tom", "anna", "tom", "anna", "tom"])
    confidences = np.array([0.0, 0.9, 0.2, 0.3, 0.1, 0.8], dtype=np.float32)
    write_tokens(tmp_path, "train", [replace(row, word_confidences=confidences)], STREAMS)
    table = TokenTable(tmp_path, "train")
    assert table[0].word_confidences.tolist() == confidences.tolist()
    for threshold, allowed in ((0.25, {1, 3, 5}), (0.95, set()), (0.0, {1, 2, 3, 4, 5})):
        form = Interleaved(VOCABULARY, table, UniformSpans((1, 2), (1, 2)), threshold)
        switches = set()
        for seed in range(30):
            said = read_back(documents(form, seed)[0], VOCABULARY)
            assert [word for _, words in said for word in words] == row.words
            assert all(a != b for (a, _), (b, _) in pairwise(said))
            switches |= set(np.cumsum([len(words) for _, words in said])[:-1].tolist())
        assert switches == allowed
    said = read_back(documents(WordTranscription(VOCABULARY, table, 0.25))[0], VOCABULARY)
    assert [len(words) for modality, words in said if modality == "text"] == [1, 2, 2, 1]
