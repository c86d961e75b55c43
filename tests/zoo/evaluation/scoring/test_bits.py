import numpy as np
import pytest
import torch

from tests.toy_tokens import STREAMS, spoken, tiny_network, words_vocabulary, write_sentences
from zoo.evaluation.scoring.bits import (
    LATER_TEXT,
    SPEECH,
    SPEECH_GIVEN_TEXT,
    SPEECH_IN_ROW,
    TEXT,
    TEXT_GIVEN_SPEECH,
    TEXT_IN_ROW,
    add_row_context,
    measure_bits,
)
from zoo.evaluation.scoring.token_trees import Candidate
from zoo.tokens.schema import TokenRow
from zoo.tokens.store import TokenTable, write_tokens

VOCABULARY = words_vocabulary()
T, S, BOS = VOCABULARY.text_marker, VOCABULARY.speech_marker, VOCABULARY.bos


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return TokenTable(write_sentences(tmp_path_factory.mktemp("tokens")), "dev")


def test_bits_are_the_loss_over_seconds_and_characters(table):
    network = tiny_network(VOCABULARY).eval()
    bit_rates = measure_bits(network, VOCABULARY, table)
    later = 0.0
    totals = dict.fromkeys((SPEECH, TEXT, SPEECH_GIVEN_TEXT, TEXT_GIVEN_SPEECH), 0.0)
    for row in table:
        speech, text = [S, *row.speech_ids.tolist()], [T, *row.text_ids.tolist()]
        for kind, before, after in (
            (SPEECH, [], speech),
            (TEXT, [], text),
            (SPEECH_GIVEN_TEXT, text, speech),
            (TEXT_GIVEN_SPEECH, speech, text),
        ):
            ids = [BOS, *before, *after]
            with torch.inference_mode():
                logs = network(torch.tensor([ids])).logits[0].log_softmax(-1)
            totals[kind] -= sum(
                logs[place - 1, ids[place]].item() for place in range(len(ids) - len(after) + 1, len(ids))
            )
        known = len(VOCABULARY.text.encode(row.text.split()[0]))
        with torch.inference_mode():
            logs = network(torch.tensor([[BOS, *text]])).logits[0].log_softmax(-1)
        later -= sum(logs[place, text[place]].item() for place in range(known + 1, len(text)))
    seconds, characters = sum(row.duration for row in table), sum(len(row.text) for row in table)
    for kind, total in totals.items():
        size = seconds if kind in (SPEECH, SPEECH_GIVEN_TEXT) else characters
        assert bit_rates[kind].rate.value == pytest.approx(total / np.log(2) / size, rel=1e-5)
        assert bit_rates[kind].rate.low <= bit_rates[kind].rate.value <= bit_rates[kind].rate.high and bit_rates[
            kind
        ].rate.n == len(table)
    rest = sum(len(row.text) - len(row.text.split()[0]) for row in table)
    assert bit_rates[LATER_TEXT].rate.value == pytest.approx(later / np.log(2) / rest, rel=1e-5)
    assert bit_rates[SPEECH].nats_per_token == pytest.approx(
        totals[SPEECH] / sum(len(row.speech_ids) for row in table), rel=1e-5
    )


@pytest.mark.parametrize(
    "kind, alone, marker, column", [(TEXT_IN_ROW, TEXT, T, "text_ids"), (SPEECH_IN_ROW, SPEECH, S, "speech_ids")]
)
def test_in_a_row_each_utterance_is_scored_given_those_before_it(table, kind, alone, marker, column):
    network = tiny_network(VOCABULARY).eval()
    documents = [[BOS, marker, *getattr(row, column).tolist(), VOCABULARY.eos] for row in table]
    length = max(map(len, documents)) + 2 * min(map(len, documents))
    candidates = [Candidate(np.array(document[:2]), np.array(document[2:-1])) for document in documents]
    placed = add_row_context(candidates, VOCABULARY.eos, length)
    bit_rate = measure_bits(network, VOCABULARY, table, row_length=length)[kind]
    firsts = 0
    for number, (candidate, document) in enumerate(zip(placed, documents, strict=True)):
        ids = candidate.ids.tolist()
        assert ids[-len(document) + 1 :] == document[:-1] and len(ids) < length
        before, start = ids[: -len(document) + 1], len(ids) - len(document) + 3
        while before:  # whole documents of the table, one after another
            end = before.index(VOCABULARY.eos) + 1
            assert before[:end] in documents
            before = before[end:]
        with torch.inference_mode():
            logs = network(torch.tensor([ids])).logits[0].log_softmax(-1)
        nats = -sum(logs[place - 1, ids[place]].item() for place in range(start, len(ids)))
        assert bit_rate.bits[number] * np.log(2) == pytest.approx(nats, rel=1e-4)
        firsts += start == 2
    assert (
        0 < firsts < len(documents)
        and sum(len(packed.ids) == len(alone.ids) for packed, alone in zip(placed, candidates, strict=True)) == firsts
    )
    assert firsts <= -(-2 * sum(map(len, documents)) // length)  # rows are half full at least
    apart = measure_bits(network, VOCABULARY, table, row_length=1)
    np.testing.assert_allclose(apart[kind].bits, apart[alone].bits, rtol=1e-5)
    assert not (bit_rate.bits == apart[alone].bits).all() and bit_rate.ids == apart[alone].ids


def test_rows_longer_than_the_context_are_refused(table):
    with pytest.raises(ValueError, match="row_length=64: this model reads at most 32 tokens"):
        measure_bits(tiny_network(VOCABULARY, max_positions=32), VOCABULARY, table, row_length=64)


def test_what_an_utterance_lacks_or_what_is_too_long_is_left_out(tmp_path):
    empty = np.zeros(0, np.int32)
    written = spoken(0, ["anna", "tom"])
    silent = TokenRow("silent", "", 0.0, 1.0, "", "en", "s", None, {"Hu": empty}, empty, empty, empty)
    untold = TokenRow(
        "untold", "", 0.0, 1.0, "", "en", "s", None, written.units, empty, written.speech_ids, written.speech_times
    )
    endless = spoken(1, ["anna"] * 40 + ["tom"] * 40)
    write_tokens(tmp_path, "dev", [silent, untold, written, endless], STREAMS)
    bit_rates = measure_bits(tiny_network(VOCABULARY, max_positions=32), VOCABULARY, TokenTable(tmp_path, "dev"))
    assert {kind: bit_rate.rate.n for kind, bit_rate in bit_rates.items()} == {
        SPEECH: 3,
        TEXT: 1,
        LATER_TEXT: 1,
        SPEECH_GIVEN_TEXT: 1,
        TEXT_GIVEN_SPEECH: 1,
    }
    assert list(
        measure_bits(tiny_network(VOCABULARY, max_positions=32), VOCABULARY, TokenTable(tmp_path, "dev"), limit=2)
    ) == [SPEECH]
