import pytest
import torch

from tests.toy_tokens import STREAMS, spoken, tiny_network, words_vocabulary
from zoo.language.adapters import lora
from zoo.language.new_text_tokens import new_text_tokens
from zoo.tokens.store import write_tokens

VOCABULARY = words_vocabulary()


@pytest.fixture
def languages(tmp_path):
    for name, words in (("old", ["anna", "ben", "tom"] * 5 + ["vera"]), ("new", ["vera", "vera", "tom", "rosa"])):
        (tmp_path / name).mkdir()
        write_tokens(tmp_path / name, "train", [spoken(0, words)], STREAMS)
    return tmp_path / "new", tmp_path / "old"


def test_pieces_that_the_new_language_uses_far_more_often(languages):
    found = new_text_tokens(*languages, VOCABULARY)
    pieces = {word: set(VOCABULARY.text.encode(word)) for word in ("vera", "rosa", "tom", "anna", "ben")}
    known = pieces["tom"] | pieces["anna"] | pieces["ben"]
    assert (pieces["vera"] | pieces["rosa"]) - known <= set(found) and not pieces["tom"] & set(found)
    assert set(new_text_tokens(*languages, VOCABULARY, ratio=1.0)) >= set(found)
    with pytest.raises(ValueError, match="ratio=0.5: want at least 1"):
        new_text_tokens(*languages, VOCABULARY, ratio=0.5)


def test_rows_of_those_pieces_learn_and_no_other_text_does(languages):
    rows = new_text_tokens(*languages, VOCABULARY)
    network = lora(tiny_network(VOCABULARY), rank=2, new_rows=VOCABULARY, text_rows=rows)
    before = network.get_input_embeddings()(torch.arange(VOCABULARY.num_rows)).detach().clone()
    optimizer = torch.optim.SGD([weight for weight in network.parameters() if weight.requires_grad], lr=1.0)
    ids = torch.arange(VOCABULARY.num_rows).unsqueeze(0)[:, :128]
    network(input_ids=ids, labels=ids).loss.backward()
    network(input_ids=ids + VOCABULARY.num_rows - 128, labels=ids).loss.backward()
    optimizer.step()
    moved = (
        (network.get_input_embeddings()(torch.arange(VOCABULARY.num_rows)) != before)
        .any(1)
        .nonzero()
        .flatten()
        .tolist()
    )
    allowed = {*rows, *range(VOCABULARY.num_text, VOCABULARY.num_rows)}
    assert set(moved) <= allowed and set(moved) & set(rows)
