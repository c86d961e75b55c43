"""JSON of strangers: broken or nested beyond all bounds, it is one line that names the file."""

import json

import pytest

from zoo.corpora import open_corpus, prepare
from zoo.corpora.text_sources import TextFiles
from zoo.evaluation.generation.official_stsp import read_rows
from zoo.evaluation.result_cache import suite_fingerprint
from zoo.evaluation.suites.suite_table import read_table
from zoo.files import read_json
from zoo.tokens.contract import read_contract
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder import Vocoder

BOMBS = ("[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, '{"id": "a", "text": ' + "[" * 100_000)


def readers(folder):
    return {
        "file.json": lambda path: read_json(path),
        "suite.jsonl": lambda path: read_table(path),
        "fingerprint.jsonl": lambda path: suite_fingerprint(path),
        "references.jsonl": lambda path: read_rows(path),
        "texts.jsonl": lambda path: list(TextFiles(path)),
        "contract.json": lambda path: read_contract(folder),
        "vocabulary.json": lambda path: Vocabulary.load(folder),
        "vocoder.json": lambda path: Vocoder.load(folder),
        "train.jsonl": lambda path: prepare(open_corpus(path), folder / "out"),
        "cuts_train.jsonl": lambda path: prepare(open_corpus(folder / "cuts_train.jsonl"), folder / "out"),
    }


@pytest.mark.parametrize("bomb", BOMBS, ids=["open", "closed", "objects", "row"])
@pytest.mark.parametrize("name", readers(None))
def test_deep_json_is_one_line(name, bomb, tmp_path):
    path = tmp_path / name
    path.write_text(bomb + "\n")
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        readers(tmp_path)[name](path)
    message = str(error.value)
    assert "\n" not in message and len(message) < 600 and str(tmp_path) in message


def test_deep_json_in_a_later_line_of_a_manifest_is_told(tmp_path):
    first = {"id": "a", "start": 0, "duration": 1, "channel": 0, "supervisions": [], "type": "MonoCut"}
    (tmp_path / "cuts_train.jsonl").write_text(json.dumps(first) + "\n" + "[" * 100_000 + "\n")
    with pytest.raises(ValueError) as error:
        prepare(open_corpus(tmp_path), tmp_path / "out", max_bad_share=1.0)
    assert "\n" not in str(error.value)
