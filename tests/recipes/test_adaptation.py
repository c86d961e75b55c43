import json

import pytest
import torch
from omegaconf import OmegaConf

from recipes.engine.recipe import load
from recipes.stages.adaptation import check_tokenizer, compare_languages
from tests.toy_tokens import tiny_network, words_vocabulary, write_sentences
from zoo.evaluation.adaptation import LanguageData
from zoo.language.adapters import lora, save_language_model
from zoo.tokens.contract import ContractError, write_contract

VOCABULARY = words_vocabulary()


@pytest.fixture
def run(tmp_path):
    """Two languages of the same twenty words, a base, an adapter that does nothing and one that does."""
    for number, name in enumerate(("english", "other")):
        write_sentences(tmp_path / name, train=10 + number)
    contract = {"tokenizer": {"checksum": "toy"}, "vocabulary": VOCABULARY.contract}
    save_language_model(tiny_network(VOCABULARY), tmp_path / "base", VOCABULARY, contract)
    (tmp_path / "vocabulary").mkdir()
    VOCABULARY.save(tmp_path / "vocabulary")
    for name, deviation in (("idle", 0.0), ("busy", 0.2)):
        base = tiny_network(VOCABULARY)
        base.name_or_path = base.config._name_or_path = str(tmp_path / "base")
        network = lora(base, rank=2, new_rows=VOCABULARY)
        with torch.no_grad():
            for parameter, weight in network.named_parameters():
                if "lora_B" in parameter:
                    weight.normal_(std=deviation) if deviation else weight.zero_()
        save_language_model(network, tmp_path / name / "model", VOCABULARY, contract)
        (tmp_path / name / "stage.json").write_text(json.dumps({"seconds": 12.5}))
    (tmp_path / "tokenizer_check").mkdir()
    check_tokenizer(tmp_path / "tokenizer_check", tmp_path / "other", tmp_path / "english", tmp_path / "vocabulary")
    return tmp_path


def compare(run, **changes):
    (run / "report").mkdir(exist_ok=True)
    models = {name: run / name / "model" for name in ("idle", "busy")}
    arguments = {
        "base": run / "base",
        "models": models,
        "new": LanguageData("xx", run / "other"),
        "old": LanguageData("en", run / "english"),
        "tokenizer_check": run / "tokenizer_check",
        "row_length": 32,
    }
    compare_languages(run / "report", **arguments | changes)
    return json.loads((run / "report" / "report.json").read_text())


def test_the_report_holds_before_and_after_in_both_languages(run):
    report = compare(run, synthetic=True)
    before, idle, busy = (report["models"][name] for name in ("before", "idle", "busy"))
    for language in ("en", "xx"):
        assert {
            "speech",
            "speech in a row of its language",
            "text",
            "text in a row of its language",
            "text after its first word",
            "speech given text",
            "text given speech",
        } == before[language]["bits"].keys()
        assert idle[language] == before[language] and set(idle["change"][language].values()) == {0.0}
        for kind, change in busy["change"][language].items():
            assert (
                change
                == pytest.approx(
                    busy[language]["bits"][kind]["bits"] / before[language]["bits"][kind]["bits"] - 1, abs=1e-4
                )
                != 0
            )
        assert before[language]["pairs"].keys() == {"S->T", "T->S"}
    rows = VOCABULARY.num_rows - VOCABULARY.num_text
    assert idle["cost"]["trainable_parameters"] == 2 * 4 * 2 * 2 * 16 + 2 * rows * 16
    assert idle["cost"]["adapter"] and idle["cost"]["seconds"] == 12.5 and 0 < idle["cost"]["saved_mib"] < 1
    text = (run / "report" / "report.md").read_text()
    assert (
        "synthesizer" in text
        and f"{idle['cost']['trainable_parameters']:,}" in text
        and "xx: speech, bits per second" in text
    )


def test_other_tokens_and_equal_names_are_refused(run):
    with pytest.raises(ValueError, match="new.name=en and old.name=en: give the two languages different names"):
        compare(run, new=LanguageData("en", run / "other"))
    with pytest.raises(ValueError, match="a suite needs the speech tokenizer"):
        compare(run, new=LanguageData("xx", run / "other", run / "suite.jsonl"))
    write_contract(run / "other", {"tokenizer": {"checksum": "another"}, "vocabulary": VOCABULARY.contract})
    with pytest.raises(ContractError, match="differ in tokenizer.checksum"):
        compare(run)
    with pytest.raises(ContractError, match="differ in tokenizer.checksum"):
        check_tokenizer(run / "tokenizer_check", run / "other", run / "english", run / "vocabulary")


def recipe_config(name, overrides):
    return OmegaConf.to_container(load(name, overrides).config, resolve=False)


def lora_without_network(config):
    return {name: value for name, value in config["model"].items() if name != "network"}


def shares_of(weights, kind):
    """Shares of the streams of one kind, ``old`` or ``new``, by the rest of their names."""
    return {name.removeprefix(f"{kind}_"): share for name, share in weights.items() if name.startswith(kind)}


def share_of_text_first(shares):
    """Share of the rows that begin as text."""
    return shares["text"] + shares["synthesis"] + shares.get("interleaved", 0.0) / 2


def test_the_recipes_train_alike_and_replay_as_they_say(tmp_path):
    overrides = [f"run={tmp_path}", f"corpus={tmp_path}", "language=xx"]
    demo = recipe_config("adapt/demo", [])
    others = [recipe_config(f"adapt/new_language_{kind}", overrides) for kind in ("lora", "compare")]
    for config in (demo, *others):
        assert config["data"]["weights"] == demo["data"]["weights"]
        assert config["data"]["streams"].keys() == demo["data"]["streams"].keys()
        assert lora_without_network(config) == lora_without_network(demo)
        assert config["trainer"]["max_steps"] == demo["trainer"]["max_steps"]
        for key in ("batch_size", "sequence_length"):
            assert config[key] == demo[key]
        assert config["stages"]["report"]["row_length"] == config["data"]["sequence_length"] == "${sequence_length}"
    weights = demo["data"]["weights"]
    old = shares_of(weights, "old")
    new = shares_of(weights, "new")
    assert sum(weights.values()) == pytest.approx(1.0) and sum(old.values()) == pytest.approx(0.55)
    old_first = share_of_text_first(old)
    assert old_first / (old_first + share_of_text_first(new)) == pytest.approx(2 / 3, abs=0.02)
