from dataclasses import replace

import numpy as np
import pytest

from tests.toy_tokens import STREAMS, spoken
from zoo.evaluation.suites.speech_text_pairs import make_pair_contrasts
from zoo.tokens.store import TokenTable, write_tokens

TEXTS = [["anna"], ["tom"], ["anna"], ["anna", "tom"], ["vera", "tom"], ["vera", "tom"], ["ida", "jan", "lea"]]


@pytest.fixture
def table(tmp_path):
    rows = [spoken(n, words) for n, words in enumerate(TEXTS)]
    empty = np.zeros(0, np.int64)
    rows.append(replace(spoken(7, ["rosa"]), speech_ids=empty, speech_times=empty, word_speech=np.array([0, 0])))
    rows.append(replace(spoken(8, ["rosa"]), text="", text_ids=empty))
    write_tokens(tmp_path, "dev", rows, STREAMS)
    return TokenTable(tmp_path, "dev")


@pytest.mark.parametrize("seed", range(10))
def test_the_other_text_is_different_and_of_the_same_length_where_possible(table, seed):
    items = make_pair_contrasts(table, seed)
    assert len(items) == len(TEXTS)
    ids = {tuple(row.text_ids.tolist()): row for row in table}
    for words, item in zip(TEXTS, items, strict=True):
        assert item.prompt is item.right
        right, wrong = (ids[tuple(both.text.tolist())] for both in (item.right, item.wrong[0]))
        assert right.text.split() == words and wrong.text != right.text and "rosa" not in wrong.text
        assert len(wrong.words) == len(words) or len(words) == 3
        same = [row for row in table if row.text == wrong.text]
        assert item.wrong[0].speech.tolist() in [row.speech_ids.tolist() for row in same]


def test_the_choice_is_a_function_of_the_seed(table):
    def chosen(seed):
        return [item.wrong[0].speech.tolist() for item in make_pair_contrasts(table, seed)]

    assert chosen(0) == chosen(0) and len({str(chosen(seed)) for seed in range(8)}) > 1


def test_at_most_as_many_as_asked(table):
    assert len(make_pair_contrasts(table, limit=3)) == 3


def test_one_text_alone_is_an_error(tmp_path):
    write_tokens(tmp_path, "dev", [spoken(n, ["anna"]) for n in range(3)], STREAMS)
    with pytest.raises(ValueError, match="all 3 utterances have the text 'anna'"):
        make_pair_contrasts(TokenTable(tmp_path, "dev"))
