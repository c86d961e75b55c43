import json
import shutil

import pytest
import torch

from recipes.commands import cli, evaluation_judges
from recipes.stages.tokens import tokenize_corpus
from tests.toy_prosody import write_corpus
from tests.toy_recognizer import write_recognizer
from tests.toy_run import write_models
from tests.toy_tokens import WORDS
from zoo.audio import write
from zoo.evaluation.judges.recognizers import PretrainedRecognizer
from zoo.evaluation.judges.speech_judges import SpeechJudges


class Loudness:
    """Opinion scores that are 1 for silence and 3 for anything else."""

    names = ("dnsmos_ovrl",)

    def __call__(self, waveforms, sample_rate):
        return {"dnsmos_ovrl": [3.0 if waveform.abs().sum() > 0 else 1.0 for waveform in waveforms]}


def voices(waveforms, sample_rate):
    """A speaker encoder that gives everything the same voice."""
    return torch.full((len(waveforms), 4), 0.5)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech") / "run"
    write_models(folder)
    corpus = write_corpus(folder, utterances=2, text="anna ben")
    (folder / "tokens").mkdir()
    vocabulary = folder / "vocabulary" / "vocabulary"
    tokenize_corpus(folder / "tokens", corpus, folder / "tokenizer" / "tokenizer", vocabulary)
    return folder


@pytest.fixture
def judges(tmp_path, monkeypatch):
    """The command's judges with a recognizer that always returns one letter."""
    recognizer = PretrainedRecognizer(str(write_recognizer(tmp_path / "recognizer", "b")))

    def installed(name, *options):
        return SpeechJudges(recognizer if name else None, voices, [Loudness()])

    monkeypatch.setattr(evaluation_judges, "installed_judges", installed)


def evaluate(folder, *arguments):
    cli.main(["evaluate", str(folder), *map(str, arguments)])


def result(folder, name):
    return json.loads((folder / f"{name}.json").read_text())["result"]


def test_resynthesis_of_a_run_is_judged_beside_the_recordings(run, judges, tmp_path, capsys):
    options = ("--suite", "resynthesis", "--limit", "3", "--out", tmp_path)
    evaluate(run, *options, "--asr", "toy")
    judged = result(tmp_path, "resynthesis")
    assert len(judged["items"]) == 3 and judged["left_out"] == {} and judged["in_default_voice"] <= 3
    for system in ("recordings", "resynthesis"):
        assert judged[system]["word_error_rate"]["word_error_rate"] >= 1 and judged[system]["word_error_rate"]["n"] == 3
        assert judged[system]["dnsmos_ovrl"]["dnsmos_ovrl"] == 3
    shown = capsys.readouterr().out
    assert "recordings" in shown and "resynthesis" in shown and "dnsmos_ovrl 3.000" in shown
    evaluate(run, *options, "--asr", "toy")
    assert "as evaluated before" in capsys.readouterr().out
    evaluate(run, *options)  # without the recognizer, which is said
    assert "left out word and character errors: no recognizer was named" in capsys.readouterr().out


def test_resynthesis_needs_no_language_model(run, judges, tmp_path):
    for name in ("tokens", "vocoder"):
        shutil.copytree(run / name, tmp_path / "run" / name)
    evaluate(tmp_path / "run", "--suite", "resynthesis", "--limit", "2")
    assert result(tmp_path / "run" / "evaluations", "resynthesis")["resynthesis"]["dnsmos_ovrl"]["n"] == 2


@pytest.mark.parametrize(("missing", "message"), [("tokens", "--tokens FOLDER"), ("vocoder", "--vocoder")])
def test_what_resynthesis_lacks_is_named(run, judges, tmp_path, capsys, missing, message):
    (tmp_path / "run").mkdir()
    for name in {"tokens", "vocoder"} - {missing}:
        shutil.copytree(run / name, tmp_path / "run" / name)
    with pytest.raises(SystemExit):
        evaluate(tmp_path / "run", "--suite", "resynthesis")
    assert message in capsys.readouterr().err


def test_speech_synthesized_from_text_is_judged(run, judges, tmp_path, capsys):
    rows = []
    for number, split in enumerate(("shots", "shots", "test", "test", "test")):
        write(
            tmp_path / f"{number}.wav", 0.1 * torch.randn(8000, generator=torch.Generator().manual_seed(number)), 16000
        )
        rows.append({"split": split, "text": WORDS[number], "audio": f"{number}.wav", "language": "en"})
    (tmp_path / "tts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    evaluate(run, "--suite", "tts", "--table", tmp_path / "tts.jsonl", "--shots", 1, "--asr", "toy", "--out", tmp_path)
    judged = result(tmp_path, "tts")
    assert judged["model"]["n"] == 3 and len(judged["rows"]) == 3
    assert judged["judged"]["word_error_rate"]["n"] == 3 and 1 <= judged["judged"]["dnsmos_ovrl"]["dnsmos_ovrl"] <= 3
    assert judged["judged"]["speaker_similarity"]["speaker_similarity"] == pytest.approx(1)
    assert "speaker_similarity 1.000" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        evaluate(run, "--suite", "tts", "--table", tmp_path / "tts.jsonl", "--shots", 1, "--out", tmp_path)
    assert "--asr CHECKPOINT" in capsys.readouterr().err
