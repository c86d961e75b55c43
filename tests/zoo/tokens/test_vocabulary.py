import json

import numpy as np
import pytest
import torch

from tests.toy_tokens import WORDS, words_vocabulary
from zoo.tokens.merged_streams import merge, parse
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

SPIRIT = (Stream("Hu", 501, 25.0, clock=24.99), Stream("Pi", 64, 12.5), Stream("St", 100, 1.0, dedup=False))


class Llama2Sized:
    """Stands in for Llama 2's text tokenizer: the layout depends on its size only."""

    bos, eos, checksum = 1, 2, "llama"

    def __len__(self):
        return 32000


@pytest.fixture
def spirit():
    return Vocabulary(Llama2Sized(), SPIRIT)


def test_the_ids_are_those_of_spirit_lm(spirit):
    assert (spirit.text_marker, spirit.speech_marker) == (32000, 32001)
    assert {prefix: ids.start for prefix, ids in spirit.ranges.items()} == {"Hu": 32002, "Pi": 32503, "St": 32567}
    assert (
        len(spirit) == 32667
        and spirit.num_rows == 32704
        and Vocabulary(Llama2Sized(), SPIRIT, multiple=1).num_rows == 32667
    )


@pytest.mark.parametrize(
    "streams, size, rows", [(SPIRIT[:1], 32503, 32512), (SPIRIT, 32667, 32768)], ids=["base", "expressive"]
)
def test_padded_to_128_the_rows_are_those_of_the_official_models(streams, size, rows):
    vocabulary = Vocabulary(Llama2Sized(), streams, multiple=128)
    assert (len(vocabulary), vocabulary.num_rows) == (size, rows)


@pytest.mark.parametrize(
    "streams",
    [SPIRIT[:1], SPIRIT[:2], SPIRIT[::2], SPIRIT[1:], SPIRIT],
    ids=lambda streams: "+".join(s.prefix for s in streams),
)
@pytest.mark.parametrize("seed", range(3))
def test_strings_ids_and_units_come_back_from_one_another(streams, seed):
    draw, vocabulary = np.random.default_rng(seed), Vocabulary(Llama2Sized(), streams)
    tokens = merge({s.prefix: draw.integers(0, s.size, int(20 * s.rate)) for s in streams}, streams)
    ids = vocabulary.speech_ids(tokens)
    again = vocabulary.tokens(
        draw.permutation(np.stack([ids, draw.integers(0, 32000, len(ids))], 1), axis=1).flatten()
    )  # text between
    assert str(again) == str(tokens) and vocabulary.speech_ids(parse(str(tokens), streams)).tolist() == ids.tolist()
    assert vocabulary.speech_ids(again).tolist() == ids.tolist()


@pytest.mark.parametrize("multiple", [1, 8, 64, 128])
def test_rows_are_the_next_multiple(multiple):
    padded = Vocabulary(Llama2Sized(), SPIRIT, multiple)
    assert padded.num_rows % multiple == 0 and 0 <= padded.num_rows - len(padded) < multiple


def test_every_unit_has_one_id_and_comes_back(spirit):
    seen = set()
    for index, stream in enumerate(SPIRIT):
        every = merge({s.prefix: np.arange(stream.size if s == stream else 0) for s in SPIRIT}, SPIRIT)
        ids = spirit.speech_ids(every)
        assert ids.tolist() == list(spirit.ranges[stream.prefix])
        back = spirit.tokens(ids)
        assert (back.stream == index).all() and back.unit.tolist() == list(range(stream.size))
        seen |= set(ids.tolist())
    assert seen == set(range(spirit.first_unit, len(spirit)))


def test_ids_that_are_no_units_are_left_out(spirit):
    ids = np.array([1, 32002, 32000, 32566, 5, 32001, 32567, 32667, 2])
    assert str(spirit.tokens(ids)) == "[Hu0][Pi63][St0]"


def test_every_id_is_of_one_kind(spirit):
    ids = torch.arange(spirit.num_rows)
    text, unit = spirit.is_text(ids), spirit.is_unit(ids)
    assert not (text & unit).any() and text.sum() == 32000 and unit.sum() == 665
    neither = (~text & ~unit).nonzero().flatten().tolist()
    assert neither == [32000, 32001, *range(len(spirit), spirit.num_rows)]


def test_a_saved_vocabulary_is_the_same(tmp_path):
    vocabulary = Vocabulary(train_text_tokenizer([" ".join(WORDS)], 300), SPIRIT, multiple=8)
    vocabulary.save(tmp_path)
    again = Vocabulary.load(tmp_path)
    assert again.contract == vocabulary.contract == json.loads((tmp_path / "vocabulary.json").read_text())["contract"]
    assert again.streams == SPIRIT and again.text.encode("anna tom żółw") == vocabulary.text.encode("anna tom żółw")


@pytest.mark.parametrize(
    "streams, multiple, size, field",
    [
        ((Stream("Hu", 500, 25.0), *SPIRIT[1:]), 8, 300, "ranges"),
        (SPIRIT, 64, 300, "rows"),
        (SPIRIT, 8, 290, "text_checksum"),
    ],
)
def test_the_contract_tells_vocabularies_apart(streams, multiple, size, field):
    contract = Vocabulary(train_text_tokenizer([" ".join(WORDS)], 300), SPIRIT, multiple=8).contract
    assert (
        Vocabulary(train_text_tokenizer([" ".join(WORDS)], size), streams, multiple).contract[field] != contract[field]
    )


def test_a_folder_without_vocabulary_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no vocabulary.json in {tmp_path}"):
        Vocabulary.load(tmp_path)


def test_the_toy_words_are_pieces_of_every_length():
    lengths = {len(ids) for ids in words_vocabulary().text.encode_words(WORDS)}
    assert min(lengths) < max(lengths)
