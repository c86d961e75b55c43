import random

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from zoo.tokens.text_tokenizer import TextTokenizer, train_text_tokenizer

TEXTS = ["the cat sat on the mat.", "Żółw idzie, 猫が好き", "the cat — and 'the' mat?"] * 3


@pytest.fixture(scope="module")
def learned():
    return train_text_tokenizer(TEXTS, 320)


def any_text(draw):
    """Words of any letters there are: every plane of Unicode, controls and combining marks among them."""
    planes = [
        (33, 127),
        (0x80, 0x300),
        (0x300, 0x370),
        (0x370, 0xD800),
        (0xE000, 0x10000),
        (0x10000, 0x110000),
        (0, 32),
    ]
    return "".join(" " if draw.random() < 0.2 else chr(draw.randrange(*draw.choice(planes))) for _ in range(40))


def test_any_text_comes_back_but_for_its_kind_of_spaces(learned):
    draw = random.Random(0)
    for text in [*TEXTS, "a</s>b <s> </s>", "[Text] [Hu12]", "'s n't , .", *(any_text(draw) for _ in range(200))]:
        assert learned.decode(learned.encode(text)) == " ".join(text.split())


def test_special_pieces_cannot_be_written_by_a_text(learned):
    assert not {learned.bos, learned.eos} & set(learned.encode("a</s>b <s> </s>"))


def test_words_joined_are_the_text(learned):
    for text in TEXTS:
        assert [i for word in learned.encode_words(text.split()) for i in word] == learned.encode(text)
        assert [learned.decode(word) for word in learned.encode_words(text.split())] == text.split()


def test_ids_are_below_the_size_and_training_repeats(learned):
    assert max(i for text in TEXTS for i in learned.encode(text)) < len(learned) <= 320
    assert train_text_tokenizer(TEXTS, 320).checksum == learned.checksum != train_text_tokenizer(TEXTS, 262).checksum
    assert len(learned.encode("the cat")) == 2


def test_a_saved_tokenizer_is_the_same(learned, tmp_path):
    learned.save(tmp_path)
    again = TextTokenizer.load(tmp_path)
    assert again.checksum == learned.checksum and (again.bos, again.eos, len(again)) == (
        learned.bos,
        learned.eos,
        len(learned),
    )
    assert all(again.encode(text) == learned.encode(text) for text in TEXTS)


def test_too_few_pieces_and_a_missing_end_are_errors():
    with pytest.raises(ValueError, match="text vocabulary of 257 pieces: at least 258"):
        train_text_tokenizer(TEXTS, 257)
    with pytest.raises(ValueError, match="has no end-of-text token: set its eos_token"):
        TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"a": 0}, []))))


def sentencepiece(style):
    """A small tokenizer in Llama 2's style: a space is put before every text, by a normalizer or a pre-tokenizer."""
    pieces = ["<s>", "</s>", "<unk>", "▁", "▁▁", "a", "n", "▁a", "▁an", "an", "b", "▁b"]
    joins = [("▁", "▁"), ("▁", "a"), ("▁a", "n"), ("▁", "b"), ("a", "n")]
    raw = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, joins, unk_token="<unk>"))
    if style == "normalizer":
        raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("style", ["normalizer", "pre-tokenizer"])
def test_words_of_a_sentencepiece_tokenizer_are_its_own(style):
    own = sentencepiece(style)
    text = TextTokenizer(own)
    assert (
        text.encode("an b an")
        == own.encode("an b an", add_special_tokens=False)
        == own.convert_tokens_to_ids(["▁an", "▁b", "▁an"])
    )
    assert text.decode(text.encode("an b an")) == "an b an"
