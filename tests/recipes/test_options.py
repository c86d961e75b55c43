"""Options of the command line are refused before any work, in a line with the option and what it takes."""

import pytest

from recipes.commands.cli import main

GENERATE = ("generate", "--run", "runs/nowhere", "--text", "a")
VOCODE = ("vocode", "--run", "runs/nowhere", "--units", "[Hu1]")
EVALUATE = ("evaluate", "runs/nowhere", "--suite", "story_cloze")
COMPARE = ("compare", "A=nowhere", "--corpus", "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*GENERATE, "--temperature", "-1"), "--temperature: want float from 0 to 100, got '-1'"),
        ((*GENERATE, "--temperature", "inf"), "--temperature: want float from 0 to 100, got 'inf'"),
        ((*GENERATE, "--temperature", "nan"), "--temperature: want float from 0 to 100, got 'nan'"),
        ((*GENERATE, "--top-p", "0"), "--top-p: want float above 0 and up to 1, got '0'"),
        ((*GENERATE, "--max-new-tokens", "1000000000"), "--max-new-tokens: want int from 1 to 1,000,000"),
        ((*GENERATE, "--seconds", "nan"), "--seconds: want float above 0"),
        ((*GENERATE, "--seed", "-1"), "--seed: want int from 0 to 4,294,967,295, got '-1'"),
        ((*GENERATE, "--seed", "x"), "--seed: want int from 0 to 4,294,967,295, got 'x'"),
        ((*GENERATE, "--device", "nothing"), "--device: want cpu, cuda or cuda:NUMBER, got 'nothing'"),
        ((*GENERATE, "--device", "cuda:99"), "--device: cuda:99: this machine has"),
        ((*GENERATE, "--out", "a.xyz"), "--out: 'a.xyz': want a file name that ends in .wav, .flac"),
        ((*GENERATE, "--out", "."), "--out: '.': want a file name that ends in .wav"),
        ((*VOCODE, "--out", "a.xyz"), "--out: 'a.xyz': want a file name"),
        (("resynthesize", "a.wav", "--run", "runs/nowhere", "--out", "a"), "--out: 'a': want a file name"),
        ((*EVALUATE, "--limit", "0"), "--limit: want int from 1"),
        ((*EVALUATE, "--shots", "-1"), "--shots: want int from 0"),
        ((*EVALUATE, "--runs", "0"), "--runs: want int from 1"),
        ((*EVALUATE, "--asr-beams", "0"), "--asr-beams: want int from 1"),
        ((*EVALUATE, "--device", "gpu"), "--device: want cpu, cuda or"),
        ((*COMPARE, "--limit", "-1"), "--limit: want int from 1"),
        ((*COMPARE, "--seed", "-1"), "--seed: want int from 0"),
    ],
)
def test_an_option_out_of_range_is_refused_before_the_run_is_looked_at(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_an_error_of_the_system_is_told_by_path_and_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        main(["copy", "quickstart", "file/mine.yaml"])
    message = capsys.readouterr().err
    assert message.startswith("error: file") and "Errno" not in message
