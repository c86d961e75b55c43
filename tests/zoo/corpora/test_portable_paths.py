"""Prepared corpora and tokens that are moved together with the audio in them."""

import json
from pathlib import Path

import pytest
import torch

from recipes.stages.tokens import tokenize_corpus
from tests.toy_run import write_run
from zoo.audio import write
from zoo.audio_files import read_info
from zoo.corpora import open_corpus, prepare, read_cuts
from zoo.corpora.cut_table import CutTable
from zoo.corpora.portable_paths import located, portable
from zoo.corpora.utterance import audio_file, load_waveform
from zoo.tokens.contract import read_contract, write_contract
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write_run(root / "run")
    vocabulary = root / "run" / "vocabulary" / "vocabulary"
    contract = read_contract(root / "run" / "language_model" / "model")
    assert Vocabulary.load(vocabulary).contract == contract["vocabulary"]
    write_contract(vocabulary, contract)
    (root / "run" / "tokens").mkdir()
    tokenize_corpus(
        root / "run" / "tokens", root / "run" / "corpus", root / "run" / "tokenizer" / "tokenizer", vocabulary
    )
    return (root / "run").rename(root / "elsewhere")


def test_audio_of_a_prepared_corpus_is_found_after_a_move(moved):
    cuts = list(read_cuts(moved / "corpus", "train"))
    table = CutTable(moved / "corpus", "train")
    assert len(cuts) == len(table) > 1
    for cut in (cuts[0], table[0]):
        assert Path(audio_file(cut)).is_relative_to(moved) and len(load_waveform(cut))
    again = prepare(open_corpus(moved / "corpus"), moved / "again")
    assert again.splits["train"].utterances == len(cuts) and again.splits["train"].skipped == 0


def test_audio_of_tokens_is_found_after_a_move(moved):
    row = TokenTable(moved / "tokens", "train")[0]
    assert Path(row.audio).is_relative_to(moved) and read_info(Path(row.audio)).num_samples > 0


def test_audio_outside_keeps_its_path(tmp_path):
    for split in ("train", "dev"):
        write(tmp_path / "recordings" / f"{split}.wav", torch.sin(torch.arange(16000) / 10), 16000)
        (tmp_path / "recordings" / f"{split}.tsv").write_text(f"audio\ttext\n{split}.wav\tla\n")
    prepare(open_corpus(tmp_path / "recordings"), tmp_path / "corpus")
    cut = next(iter(read_cuts(tmp_path / "corpus", "train")))
    assert audio_file(cut).startswith(str(tmp_path / "recordings"))
    (tmp_path / "corpus").rename(tmp_path / "moved")
    assert len(load_waveform(next(iter(read_cuts(tmp_path / "moved", "train")))))


def test_paths_in_a_folder_and_in_a_corpus_beside_it_are_relative(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps({}))
    paths = {
        f"{tmp_path}/tokens/a.wav": "a.wav",
        f"{tmp_path}/corpus/demo/a.wav": "../corpus/demo/a.wav",
        f"{tmp_path}/other/a.wav": f"{tmp_path}/other/a.wav",
        "/elsewhere/a.wav": "/elsewhere/a.wav",
        "": "",
    }
    for path, expected in paths.items():
        assert portable(path, tmp_path / "tokens") == expected
        assert located(expected, tmp_path / "tokens") == path
