import gzip
import json

import numpy as np
import pytest

from datamodules import MixtureDataModule, TextStream
from recipes.stages.texts import tokenize_texts
from tests.toy_corpus import write_tones
from tests.toy_tokens import WORDS, words_vocabulary
from zoo.corpora.text_sources import HuggingFaceTexts, TextFiles, texts_or_transcripts
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.store import TokenTable

VOCABULARY = words_vocabulary()
DOCUMENTS = [" ".join(np.random.default_rng(n).choice(WORDS, 4 + 7 * (n % 5))) for n in range(40)]


@pytest.fixture
def vocabulary(tmp_path):
    VOCABULARY.save(tmp_path / "vocabulary")
    write_contract(tmp_path / "vocabulary", {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract})
    return tmp_path / "vocabulary"


def test_each_kind_of_file_gives_the_same_documents(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(DOCUMENTS[:10]) + "\n\n\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS[10:20]))
    with gzip.open(tmp_path / "deeper" / "c.jsonl.gz", "wt") as file:
        file.write("".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS[20:30]))
    with gzip.open(tmp_path / "deeper" / "d.txt.gz", "wt") as file:
        file.write("\n\n".join(DOCUMENTS[30:]))
    (tmp_path / "notes.md").write_text("not a document")
    assert [" ".join(text.split()) for text in TextFiles(tmp_path)] == DOCUMENTS
    assert list(TextFiles(tmp_path / "b.jsonl")) == DOCUMENTS[10:20]


def test_a_dataset_is_read_by_its_library(tmp_path):
    pytest.importorskip("datasets")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"said": text}) + "\n" for text in DOCUMENTS))
    assert list(HuggingFaceTexts("json", field="said", files=[str(tmp_path / "a.jsonl")])) == DOCUMENTS
    with pytest.raises(ValueError, match="dataset 'json' has no column 'text'; it has said"):
        list(HuggingFaceTexts("json", files=[str(tmp_path / "a.jsonl")]))


def test_tokens_are_those_of_the_documents_and_feed_the_text_stream(tmp_path, vocabulary):
    (tmp_path / "a.txt").write_text("\n\n".join(DOCUMENTS))
    tokenize_texts(tmp_path / "out", TextFiles(tmp_path / "a.txt"), vocabulary, max_tokens=20, dev_every=4)
    kept = {split: [row.text_ids.tolist() for row in TokenTable(tmp_path / "out", split)] for split in ("train", "dev")}
    assert max(map(len, kept["train"] + kept["dev"])) == 20
    for split, texts in (("dev", DOCUMENTS[::4]), ("train", [text for n, text in enumerate(DOCUMENTS) if n % 4])):
        assert sum(kept[split], []) == [i for text in texts for i in VOCABULARY.text.encode(text)]
        assert json.loads((tmp_path / "out" / "tokens.json").read_text())[split]["documents"] == len(texts)
    assert read_contract(tmp_path / "out") == read_contract(vocabulary)
    data = MixtureDataModule(VOCABULARY, {"text": TextStream(tmp_path / "out")}, {"text": 1.0}, 64, 4)
    batch = data.mixture("train", range(1)).batch(0)
    assert batch.shape == (4, 64) and VOCABULARY.is_text(batch[batch != VOCABULARY.text_marker]).all()


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.jsonl", '{"text": "one"}\n{"words": "two"}\n', "a.jsonl, line 2: want a JSON object with a field 'text'"),
        ("a.jsonl", '{"text": 3}\n', "a.jsonl, line 1: 'text' is 3, want text"),
        ("a.jsonl", "one\n", "a.jsonl, line 1: want a JSON object"),
    ],
)
def test_a_broken_line_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        list(TextFiles(tmp_path))


def test_no_text_is_an_error(tmp_path, vocabulary):
    with pytest.raises(FileNotFoundError, match="no text in .*: want files that end in .txt"):
        TextFiles(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("anna")
    with pytest.raises(ValueError, match="no text for the train split: the source has fewer than 200 documents"):
        tokenize_texts(tmp_path / "out", TextFiles(tmp_path / "a.txt"), vocabulary)


def test_the_transcripts_are_the_texts_where_there_are_no_others(tmp_path):
    corpus = write_tones(tmp_path, 3, 2)
    assert list(texts_or_transcripts(None, corpus)) == ["la la la"] * 3
    (tmp_path / "a.txt").write_text("anna\n\ntom\n")
    assert list(texts_or_transcripts(tmp_path / "a.txt", corpus)) == ["anna\n", "tom\n"]
