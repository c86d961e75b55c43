import json
import re

import pytest
import torch

from recipes.commands import cli
from tests.toy_tokens import WORDS, tiny_network, words_vocabulary, write_sentences
from zoo.evaluation import result_cache, tasks
from zoo.tokens.contract import write_contract


@pytest.fixture
def run(tmp_path):
    """The folder of a run without recordings: a model, tokens, and suites of text."""
    vocabulary, suites = words_vocabulary(), tmp_path / "corpus" / "demo" / "suites"
    model = tmp_path / "language_model" / "model"
    tiny_network(vocabulary).save_pretrained(model)
    vocabulary.save(model)
    write_contract(model, {"tokenizer": {"checksum": "toy"}, "vocabulary": vocabulary.contract})
    write_sentences(tmp_path / "tokens")
    suites.mkdir(parents=True)

    def part(*words):
        return {"text": " ".join(words)}

    save(
        suites / "swuggy.jsonl",
        [{"id": f"w{n}", "group": f"g{n % 2}", "right": part(WORDS[n]), "wrong": part(WORDS[n + 1])} for n in range(8)],
    )
    save(
        suites / "story_cloze.jsonl",
        [
            {"prompt": part(WORDS[n]), "right": part(WORDS[n]), "wrong": [part(WORDS[n + 1]), part(WORDS[n + 2])]}
            for n in range(8)
        ],
    )
    save(
        suites / "sentiment.jsonl",
        [
            {"split": split, "sentiment": sentiment, "prompt": part(WORDS[n]), "generation": part(WORDS[n + 3])}
            for split in ("shots", "test")
            for n, sentiment in enumerate(("negative", "neutral", "positive"))
        ],
    )
    (suites / "sentiment_words.json").write_text(json.dumps({"positive": WORDS[:8], "negative": WORDS[8:14]}))
    save(suites / "toxicity.jsonl", [{"prompt": part(word)} for word in WORDS[:4]])
    (suites / "toxic_words.txt").write_text("anna\ntom\n")
    return tmp_path


def save(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def evaluate(*arguments):
    cli.main(["evaluate", *map(str, arguments)])


def result(run, name):
    return json.loads((run / "evaluations" / f"{name}.json").read_text())["result"]


def test_suites_of_a_run_are_evaluated_beside_baselines(run, capsys):
    evaluate(run, "--suite", "swuggy", "--suite", "story_cloze", "--suite", "alignment")
    words, cloze, alignment = (result(run, name) for name in ("swuggy", "story_cloze", "alignment"))
    assert words["model"].keys() == words["unigram"].keys() == {"T->T"} and words["model"]["T->T"]["n"] == 8
    assert (
        set(words["model"]["T->T"]["groups"]) == {"g0", "g1"}
        and words["items"][0] == "w0"
        and len(words["model"]["T->T"]["hits"]) == 8
    )
    assert cloze["model"]["T->T"]["chance"] == 0.3333
    assert len(alignment["model"]["layers"]) == 3 and (run / "evaluations" / "alignment.svg").is_file()
    shown = capsys.readouterr().out
    assert "unigram  T->T" in shown and "chance 0.500" in shown and "layer 2" in shown and "left out" not in shown


def test_sentiment_and_toxicity_with_what_the_suites_bring(run, capsys):
    evaluate(run, "--suite", "sentiment", "--suite", "toxicity", "--runs", "2", "--shots", "3")
    sentiment_suite, toxic = result(run, "sentiment"), result(run, "toxicity")
    assert sentiment_suite["model"].keys() == {"T->T"} and sentiment_suite["left_out"].keys() == {
        "S->S",
        "S->T",
        "T->S",
    }
    assert (
        sentiment_suite["model"]["T->T"]["shots"] == 3
        and len(sentiment_suite["model"]["T->T"]["runs"]) == 2
        and sentiment_suite["unigram"]["T->T"]["accuracy"] == 0.3333
    )
    assert toxic["model"]["T->T"]["words"]["n"] == 4 and set(toxic["left_out"]) == {"S->S", "S->T", "T->S"}
    assert "left out S->S: no classifier of speech" in capsys.readouterr().out


def test_weights_may_be_bfloat16_and_are_not_taken_for_the_others(run, capsys, monkeypatch):
    precisions, original = [], tasks.log_likelihoods
    monkeypatch.setattr(
        tasks,
        "log_likelihoods",
        lambda network, candidates: precisions.append(network.dtype) or original(network, candidates),
    )
    evaluate(run, "--suite", "swuggy")
    evaluate(run, "--suite", "swuggy", "--precision", "bf16-true")
    assert set(precisions) == {torch.float32, torch.bfloat16} and "before" not in capsys.readouterr().out


def test_what_is_evaluated_already_is_not_evaluated_again(run, capsys, monkeypatch):
    evaluate(run, "--suite", "swuggy")
    monkeypatch.setattr(tasks, "load_contrasts", None)  # nothing is even read
    monkeypatch.setitem(tasks.TASKS, "contrast", None)
    capsys.readouterr()
    evaluate(run, "--suite", "swuggy")
    assert "swuggy (as evaluated before)" in capsys.readouterr().out
    monkeypatch.undo()
    evaluate(run, "--suite", "swuggy", "--limit", "4")
    assert "before" not in capsys.readouterr().out and result(run, "swuggy")["model"]["T->T"]["n"] == 4
    tiny_network(words_vocabulary(), seed=1).save_pretrained(run / "language_model" / "model")
    evaluate(run, "--suite", "swuggy", "--limit", "4")
    assert "before" not in capsys.readouterr().out


def test_an_interrupted_evaluation_resumes(run, monkeypatch):
    monkeypatch.setattr(result_cache, "BLOCK", 4)
    scored, original = [], tasks.log_likelihoods

    def interrupted(network, candidates, most):
        if len(scored) == most:
            raise KeyboardInterrupt
        scored.append(len(candidates))
        return original(network, candidates)

    monkeypatch.setattr(tasks, "log_likelihoods", lambda network, candidates: interrupted(network, candidates, 2))
    with pytest.raises(SystemExit):
        evaluate(run, "--suite", "swuggy")
    parts = run / "evaluations" / ".swuggy.parts.jsonl"
    parts.write_text(parts.read_text() + '["model 2", [1')  # cut short in the middle of a line
    monkeypatch.setattr(tasks, "log_likelihoods", lambda network, candidates: interrupted(network, candidates, 99))
    evaluate(run, "--suite", "swuggy")
    assert scored == [4, 4, 4, 4] and not parts.is_file()
    resumed = result(run, "swuggy")
    monkeypatch.undo()
    evaluate(run, "--suite", "swuggy", "--out", run / "elsewhere")
    assert resumed == json.loads((run / "elsewhere" / "swuggy.json").read_text())["result"]


def test_a_transformers_folder_and_a_table_of_the_user(run):
    save(run / "mine.jsonl", [{"prompt": {"text": "anna"}, "right": {"text": "tom"}, "wrong": {"text": "vera"}}])
    evaluate(run / "language_model" / "model", "--table", run / "mine.jsonl", "--out", run / "evaluations")
    assert result(run, "mine")["model"]["T->T"]["n"] == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["{run}"], "no --suite: available suites are story_cloze, swuggy, sentiment, toxicity, alignment"),
        (["{run}", "--suite", "sblimp"], "no suite at .*sblimp.jsonl .*num_suite above 0"),
        (["{run}", "--suite", "swugy"], "no such suite; available suites are"),
        (["{run}/none", "--suite", "swuggy"], "no such folder"),
        (["{run}", "--suite", "swuggy", "--task", "contrst"], "--task contrst: did you mean 'contrast'"),
        (
            ["{run}", "--suite", "asr", "--table", "{run}/corpus/demo/suites/swuggy.jsonl"],
            "asr needs a speech tokenizer",
        ),
        (["{run}/language_model/model", "--suite", "alignment"], "--tokens FOLDER"),
        (["--convert", "swugy", "x"], "--convert swugy: expected one of swuggy, sblimp"),
        ([], "no model: name a run"),
    ],
)
def test_errors_are_one_line(run, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        evaluate(*(argument.format(run=run) for argument in arguments))
    assert caught.value.code == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1 and re.search(message, errors[0])


def test_public_suites_are_converted(tmp_path, capsys):
    (tmp_path / "cloze.csv").write_text(
        "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
        "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\ns,a,b,c,d,e,f,1\n"
    )
    evaluate("--convert", "story_cloze", tmp_path / "cloze.csv", "--table", tmp_path / "out.jsonl")
    assert (
        json.loads((tmp_path / "out.jsonl").read_text())["right"] == {"text": "e"}
        and "1 items" in capsys.readouterr().out
    )
