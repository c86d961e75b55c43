"""The stages one after another, as a recipe runs them, on a demo corpus of half a minute; no stage is faked."""

import json
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from datamodules import InterleavedStream, MixtureDataModule, SpeechStream
from lightningmodules import SpeechTextLM
from recipes.commands import cli
from recipes.stages.corpus import prepare_corpus
from recipes.stages.evaluation import evaluate_cloze, evaluate_pairs
from recipes.stages.tokenizer import assemble_tokenizer, build_vocabulary, train_base_tokenizer
from recipes.stages.tokens import tokenize_corpus
from recipes.stages.training import train_language_model
from tests.toy_extractors import Loudest, Pitch, Style
from zoo import audio
from zoo.corpora import DemoCorpus, read_cuts, to_utterance
from zoo.language.networks import llama
from zoo.language.speech_text_model import SpeechTextModel, load_language_model
from zoo.speech.encoders import FilterbankEncoder
from zoo.tokenizers import speech_tokenizer as tokenizers
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import ContractError, read_contract, require_match
from zoo.tokens.interleave import UniformSpans
from zoo.tokens.merged_streams import merge
from zoo.tokens.store import TokenTable
from zoo.tokens.vocabulary import Vocabulary

SPLITS = ("train", "dev", "test")


def tokenizer_stage(run, name="tokenizer", **changes):
    return train_base_tokenizer(
        run / name, run / "corpus", FilterbankEncoder(), **{"num_clusters": 12, "hours": 1.0, "passes": 2} | changes
    )


def language_model_stage(run, name="language_model", vocabulary="vocabulary", tokens="tokens"):
    torch.manual_seed(0)
    numbers = Vocabulary.load(run / vocabulary / "vocabulary")
    streams = {
        "speech": SpeechStream(run / tokens),
        "interleaved": InterleavedStream(run / tokens, UniformSpans((1, 4), (1, 4))),
    }
    data = MixtureDataModule(
        numbers, streams, {"speech": 1, "interleaved": 1}, sequence_length=64, batch_size=2, val_batches=2
    )
    model = SpeechTextLM(llama(numbers, 16, 1, 2, max_positions=512), numbers, learning_rate=1e-2, warmup_steps=1)
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=3,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        limit_val_batches=2,
        log_every_n_steps=1,
    )
    return train_language_model(run / name, model, data, trainer, run / vocabulary / "vocabulary")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole run but for the vocoder."""
    run = tmp_path_factory.mktemp("run")
    prepare_corpus(run / "corpus", DemoCorpus(hours=0.01, num_cloze=4, num_processes=1))
    tokenizer_stage(run)
    build_vocabulary(run / "vocabulary", run / "tokenizer" / "tokenizer", run / "corpus", text_size=280, multiple=8)
    tokenize_corpus(
        run / "tokens",
        run / "corpus",
        run / "tokenizer" / "tokenizer",
        run / "vocabulary" / "vocabulary",
        train_speeds=[1.0, 1.1],
    )
    language_model_stage(run)
    return run


@pytest.fixture
def other_tokenizer(run):
    """One more tokenizer of the same shape, with other centroids, and what is built on it."""
    if not (run / "other_tokens").is_dir():
        tokenizer_stage(run, "other_tokenizer", seed=1)
        build_vocabulary(
            run / "other_vocabulary", run / "other_tokenizer" / "tokenizer", run / "corpus", text_size=280, multiple=8
        )
        tokenize_corpus(
            run / "other_tokens",
            run / "corpus",
            run / "other_tokenizer" / "tokenizer",
            run / "other_vocabulary" / "vocabulary",
        )
    return run / "other_tokenizer" / "tokenizer"


def test_all_that_was_made_of_one_tokenizer_has_one_contract(run):
    folders = [
        run / "tokenizer" / "tokenizer",
        run / "vocabulary" / "vocabulary",
        run / "tokens",
        run / "language_model" / "model",
    ]
    for first in folders:
        for second in folders:
            require_match(first, second)
    assert read_contract(folders[1]) == read_contract(folders[2]) == read_contract(folders[3])
    assert read_contract(folders[0])["tokenizer"] == read_contract(folders[3])["tokenizer"]


def test_tokens_are_those_of_the_tokenizer_and_of_the_vocabulary(run):
    speech, vocabulary = (
        load_tokenizer(run / "tokenizer" / "tokenizer"),
        Vocabulary.load(run / "vocabulary" / "vocabulary"),
    )
    for split in SPLITS:
        labels = {u.id: u for u in map(to_utterance, read_cuts(run / "corpus", split))}
        table = {row.id: row for row in TokenTable(run / "tokens", split)}
        assert table.keys() == (
            {f"{id}{speed}" for id in labels for speed in ("", "@1.1")} if split == "train" else labels.keys()
        )
        for id, label in labels.items():
            row = table[id]
            assert row.units["Hu"].tolist() == speech.encode(audio.read(Path(row.audio)))["Hu"].tolist()
            assert row.speech_ids.tolist() == vocabulary.speech_ids(merge(row.units, speech.streams)).tolist()
            assert vocabulary.text.decode(row.text_ids) == row.text == label.text and (row.speaker, row.style) == (
                label.speaker,
                label.style,
            )
            assert row.words == [word for word, _, _ in label.words] and row.word_speech[-1] == len(row.speech_ids)
            assert np.allclose(row.word_ends, [end for _, _, end in label.words], atol=1e-5)
    counts = json.loads((run / "tokens" / "tokens.json").read_text())
    assert (
        counts["train"]["utterances"] * 2 == len(TokenTable(run / "tokens", "train"))
        and counts["train"]["skipped"] == 0
    )


@pytest.mark.parametrize(
    "kinds", [(Loudest, Pitch), (Loudest, Style), (Style, Pitch, Loudest)], ids=["pitch", "style", "both"]
)
def test_any_streams_go_from_parts_to_tokens_under_one_contract(run, tmp_path, kinds, monkeypatch):
    monkeypatch.setattr(tokenizers, "EXTRACTORS", {kind.__name__: kind for kind in kinds})
    shown = assemble_tokenizer(tmp_path / "tokenizer", tokenizers.UnitTokenizer([kind() for kind in kinds]))
    assert shown["tokenizer"].startswith("UnitTokenizer: Hu 20 units, 25 a second, ")
    speech, numbers = tmp_path / "tokenizer" / "tokenizer", tmp_path / "vocabulary" / "vocabulary"
    build_vocabulary(tmp_path / "vocabulary", speech, run / "corpus", text_size=280, multiple=8)
    tokenize_corpus(tmp_path / "tokens", run / "corpus", speech, numbers)
    assert (
        read_contract(speech)["tokenizer"]
        == read_contract(tmp_path / "tokens")["tokenizer"]
        == load_tokenizer(speech).contract["tokenizer"]
    )
    assert len(read_contract(speech)["tokenizer"]["parts"]) == len(kinds)
    tokenizer, vocabulary = load_tokenizer(speech), Vocabulary.load(numbers)
    for row in TokenTable(tmp_path / "tokens", "dev"):
        merged = tokenizer.tokens(audio.read(row.audio))
        assert row.units.keys() == {kind.kind.prefix for kind in kinds} and str(
            merge(row.units, tokenizer.streams)
        ) == str(merged)
        assert str(vocabulary.tokens(row.speech_ids)) == str(merged) and np.allclose(row.speech_times, merged.time)


def test_a_stage_makes_the_same_again(run, tmp_path):
    (tmp_path / "corpus").symlink_to(run / "corpus")
    tokenizer_stage(tmp_path)
    assert read_contract(tmp_path / "tokenizer" / "tokenizer") == read_contract(run / "tokenizer" / "tokenizer")
    for name in ("tokenizer/Hu/quantizer.safetensors", "kmeans.json"):
        assert (tmp_path / "tokenizer" / name).read_bytes() == (run / "tokenizer" / name).read_bytes()
    for _ in range(2):
        tokenize_corpus(
            run / "tokens_again",
            run / "corpus",
            run / "tokenizer" / "tokenizer",
            run / "vocabulary" / "vocabulary",
            [1.0, 1.1],
        )
        for name in [*(f"{split}-00000.arrow" for split in SPLITS), "tokens.json", "skipped.jsonl", "contract.json"]:
            assert (run / "tokens_again" / name).read_bytes() == (run / "tokens" / name).read_bytes()


def test_the_model_folder_is_a_transformers_folder_with_its_vocabulary(run):
    network, vocabulary = load_language_model(run / "language_model" / "model")
    before = Vocabulary.load(run / "vocabulary" / "vocabulary")
    assert vocabulary.contract == before.contract == read_contract(run / "language_model" / "model")["vocabulary"]
    for row in TokenTable(run / "tokens", "train"):
        assert vocabulary.text.encode(row.text) == before.text.encode(row.text)
        assert vocabulary.text.encode(f"{row.text} </s> 'żółw'") == before.text.encode(f"{row.text} </s> 'żółw'")
    state = torch.load(run / "language_model" / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 3
    assert all(
        torch.equal(weight, state["state_dict"][f"next_token.network.{name}"])
        for name, weight in network.state_dict().items()
    )
    metrics = json.loads((run / "language_model" / "metrics.json").read_text())
    assert {"val/loss", "val/text_loss", "val/speech_loss"} <= metrics.keys()
    assert list((run / "language_model" / "logs").glob("events.out.tfevents*"))


def test_cloze_is_scored_in_four_directions_for_every_model(run, tmp_path):
    suite, models = (
        run / "corpus" / "demo" / "suites" / "story_cloze.jsonl",
        {"a": run / "language_model" / "model", "b": run / "language_model" / "model"},
    )
    shown = evaluate_cloze(tmp_path, suite, run / "tokenizer" / "tokenizer", models)
    scores = json.loads((tmp_path / "cloze.json").read_text())
    assert (
        scores.keys() == {"a", "b", "unigram"}
        and scores["a"] == scores["b"]
        and shown.keys() == {f"cloze, {name}" for name in scores}
    )
    for score in scores["a"].values():
        assert score["n"] == 4 and score["interval"][0] <= score["accuracy"] <= score["interval"][1]
    assert list(scores["a"]) == ["T->T", "S->S", "S->T", "T->S"]


def test_held_out_pairs_are_scored_and_transcribed(run, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    for name in ("contract.json", "train-00000.arrow"):
        (tokens / name).symlink_to(run / "tokens" / name)
    evaluate_pairs(tmp_path, tokens, run / "language_model" / "model", split="train", limit=3)
    scores = json.loads((tmp_path / "cloze.json").read_text())["model"]
    assert scores.keys() == {"S->T", "T->S"} and scores["S->T"]["n"] == 3
    lines = [line.split("\t") for line in (tmp_path / "transcripts.tsv").read_text().splitlines()]
    table = {row.id: row.text for row in TokenTable(run / "tokens", "train")}
    assert lines[0] == ["id", "text", "transcript"] and {id: text for id, text, _ in lines[1:]} == table
    assert json.loads((tmp_path / "transcription.json").read_text())["n"] == len(table)


@pytest.mark.parametrize("stage", ["tokens", "language_model", "cloze", "pairs", "generate"])
def test_what_was_made_of_another_tokenizer_is_refused(run, other_tokenizer, tmp_path, stage):
    other = run / "other_vocabulary" / "vocabulary"
    attempts = {
        "tokens": lambda: tokenize_corpus(tmp_path, run / "corpus", run / "tokenizer" / "tokenizer", other),
        "language_model": lambda: language_model_stage(run, "refused", "vocabulary", "other_tokens"),
        "cloze": lambda: evaluate_cloze(
            tmp_path,
            run / "corpus" / "demo" / "suites" / "story_cloze.jsonl",
            other_tokenizer,
            {"a": run / "language_model" / "model"},
        ),
        "pairs": lambda: evaluate_pairs(tmp_path, run / "other_tokens", run / "language_model" / "model"),
        "generate": lambda: SpeechTextModel.load(run, tokenizer=other_tokenizer),
    }
    with pytest.raises(ContractError, match="differ in tokenizer.checksum") as error:
        attempts[stage]()
    assert (
        str(error.value).count("contract.json") == 2
        and list(tmp_path.iterdir()) == []
        and not (run / "refused" / "model").exists()
    )


def test_unreadable_speech_fails_the_tokenizer_where_it_is_too_much(run, tmp_path):
    (tmp_path / "corpus").mkdir()
    cuts = list(read_cuts(run / "corpus", "train"))
    cuts[0].recording.sources[0].source = str(tmp_path / "gone.wav")
    type(read_cuts(run / "corpus", "train")).from_cuts(cuts).to_file(tmp_path / "corpus" / "train.jsonl.gz")
    with pytest.raises(
        ValueError,
        match=f"1 of {len(cuts)} utterances could not be read, more than max_bad_share=0.05; the first: .*gone.wav",
    ):
        tokenizer_stage(tmp_path)
    assert json.loads((tmp_path / "tokenizer" / "skipped.jsonl").read_text())["id"] == cuts[0].id
    tokenizer_stage(tmp_path, max_bad_share=0.5)
    assert (tmp_path / "tokenizer" / "tokenizer" / "tokenizer.json").is_file()


def test_more_units_than_frames_is_an_error(run, tmp_path):
    (tmp_path / "corpus").symlink_to(run / "corpus")
    with pytest.raises(ValueError, match="frames cannot make 5000 clusters: give more speech or fewer clusters"):
        tokenizer_stage(tmp_path, num_clusters=5000)


def refused(arguments, capsys):
    """The one line that a command prints when it refuses."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert caught.value.code == 1 and len(lines) == 1 and "Traceback" not in err
    return lines[0]


def test_generate_goes_on_after_text_and_speech(run, tmp_path, capsys):
    wav = next(row.audio for row in TokenTable(run / "tokens", "dev"))
    for arguments in (
        ["--text", "anna", "--to", "text"],
        ["--speech", wav, "--to", "text"],
        ["--text", "anna", "--speech", wav, "--text", "and"],
    ):
        said = []
        for _ in range(2):
            cli.main(["generate", "--run", str(run), *arguments, "--max-new-tokens", "5", "--seed", "3"])
            said.append(capsys.readouterr().out)
        assert said[0] == said[1] != ""


def test_generate_refuses_in_one_line(run, tmp_path, capsys):
    text = ["--text", "anna"]
    assert "--to speech needs --out FILE" in refused(["generate", "--run", str(run), *text, "--to", "speech"], capsys)
    assert f"--run {tmp_path / 'none'}: no such folder" in refused(
        ["generate", "--run", str(tmp_path / "none"), *text], capsys
    )
    assert f"no language_model in {tmp_path}" in refused(["generate", "--run", str(tmp_path), *text], capsys)
    assert "none.wav: no such file" in refused(
        ["generate", "--run", str(run), "--speech", str(tmp_path / "none.wav")], capsys
    )
    assert "a text segment of the prompt is empty" in refused(["generate", "--run", str(run), "--text", " "], capsys)
    spoken = refused(["generate", "--run", str(run), *text, "--to", "speech", "--out", str(tmp_path / "a.wav")], capsys)
    assert "a.wav is not written" in spoken and "the run has no vocoder" in spoken and not (tmp_path / "a.wav").exists()
