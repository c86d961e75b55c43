"""A tokenizer of any class, exported and read again by transformers, returns the ids of the zoo."""

import pytest
from transformers import AutoTokenizer

from tests.toy_checkpoints import (
    FAMILIES,
    llama2_tokenizer,
    neox_tokenizer,
    prefix_space_tokenizer,
    qwen_tokenizer,
    unigram_tokenizer,
    write_checkpoint,
)
from zoo.interop.huggingface import export_language_model, speech_text_tokenizer
from zoo.language.adapters import save_language_model
from zoo.language.embedding_initializers import NormalRows
from zoo.language.networks import from_checkpoint
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

STREAMS = (Stream("Hu", 20, 25.0),)
TEXTS = [
    "he said",
    "  two  spaces, \t tabs\nand a\n\n\nfew lines \r\n",
    "zażółć gęślą jaźń, e\u0301 naïve",
    "🙂 👩‍👩‍👧 日本語、한국어",
    "In 1998 about 1,234.50% (2/3)",
    "    if x[0] == {'a': 1}:\n        return f(x)  # it's don't",
    "</s> <s> <|endoftext|> <bos> <|im_start|>user<tool_call>{}</tool_call>",
    "a<b>bold</b> [multimodal]",
    "\u00a0odd\u3000spaces\u2003here\x1fnow",
    "\u0120 ﬁ ①",
]
TOKENIZERS = {
    "llama2 fast": lambda folder: llama2_tokenizer(folder, "PreTrainedTokenizerFast"),
    "unigram": unigram_tokenizer,
    "prefix space": prefix_space_tokenizer,
}


def require_same_ids(folder, vocabulary):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        ids = tokenizer(f"[Text]{text}[Speech][Hu3][Hu19][Text]{text}")["input_ids"]
        text_ids = [vocabulary.text_marker, *vocabulary.text.encode(text)]
        units = [vocabulary.speech_marker, vocabulary.first_unit + 3, vocabulary.first_unit + 19]
        assert ids == [vocabulary.bos, *text_ids, *units, *text_ids], text


def export(folder, family):
    source = write_checkpoint(folder / "checkpoint", family)
    vocabulary = Vocabulary(TextTokenizer.load(source), STREAMS, multiple=8)
    network = from_checkpoint(source, vocabulary, initializer=NormalRows())
    save_language_model(network, folder / "model", vocabulary, {"vocabulary": vocabulary.contract})
    export_language_model(folder / "model", folder / "exported")
    return vocabulary


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_export_of_each_family(tmp_path, family):
    vocabulary = export(tmp_path, family)
    require_same_ids(tmp_path / "exported", vocabulary)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_other_tokenizers(tmp_path, name):
    TOKENIZERS[name](tmp_path / "text")
    vocabulary = Vocabulary(TextTokenizer.load(tmp_path / "text"), STREAMS, multiple=8)
    speech_text_tokenizer(vocabulary).save_pretrained(tmp_path / "exported")
    require_same_ids(tmp_path / "exported", vocabulary)


@pytest.mark.parametrize("write_tokenizer", [qwen_tokenizer, neox_tokenizer])
def test_added_tokens_are_text_in_a_text(tmp_path, write_tokenizer):
    write_tokenizer(tmp_path)
    text = TextTokenizer.load(tmp_path)
    line = "<tool_call> x<|im_end|><|padding|>"
    added = text.tokenizer.added_tokens_decoder
    assert added and not any(i in added for i in text.encode(line))
    assert text.decode(text.encode(line)) == line


def test_a_tokenizer_that_transformers_would_replace_leaves_nothing(tmp_path, monkeypatch):
    """Qwen2 kept as it is: transformers reads another tokenizer from its folder."""
    monkeypatch.setattr("zoo.interop.huggingface.save_network", lambda network, folder: network.save_pretrained(folder))
    with pytest.raises(ValueError, match="the exported Qwen2Tokenizer encodes .* differently .* cannot be exported"):
        export(tmp_path, "qwen2")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "model"}
