"""The commands that ask a run's language model and write it out, on a run made of random weights."""

import io
import sys

import numpy as np
import pytest
import soundfile
import torch

from recipes.commands import cli
from tests.toy_extractors import Loudest
from tests.toy_tokens import WORDS, tiny_network
from zoo.language.adapters import lora, save_language_model
from zoo.tokenizers import speech_tokenizer as tokenizers
from zoo.tokenizers.speech_tokenizer import UnitTokenizer
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.vocabulary import Vocabulary
from zoo.vocoder.duration_predictor import DurationPredictor
from zoo.vocoder.istft import ConvNeXtSizes, ISTFTGenerator
from zoo.vocoder.vocoder import Vocoder

TEXT = ["--text", "anna went"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(tokenizers, "EXTRACTORS", {"Loudest": Loudest})
    run = tmp_path / "run"
    hearing = UnitTokenizer([Loudest()])
    hearing.save(run / "tokenizer" / "tokenizer")
    vocabulary = Vocabulary(train_text_tokenizer([" ".join(WORDS)], 300), hearing.streams, 8)
    contract = {**hearing.contract, "vocabulary": vocabulary.contract}
    save_language_model(tiny_network(vocabulary), run / "language_model" / "model", vocabulary, contract)
    base = tiny_network(vocabulary)
    network = lora(base, rank=2)
    network.get_base_model().name_or_path = str(run / "language_model" / "model")
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    save_language_model(network, run / "adapted" / "model", vocabulary, contract)
    generator = ISTFTGenerator(
        {"Hu": 20}, 25.0, embedding_dim=8, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1, kernel_size=3)
    )
    Vocoder(generator, hearing.streams, DurationPredictor(8, 8), contract=hearing.contract).save(
        run / "vocoder" / "vocoder"
    )
    return run


def ask(run, *arguments):
    cli.main(["generate", "--run", str(run), *map(str, arguments)])


@pytest.mark.parametrize("to", ["text", "speech", "any"])
def test_what_is_streamed_is_what_is_written_at_once(run, tmp_path, capsys, to):
    said, sounds = [], []
    for extra in ([], ["--stream"]):
        out = [] if to == "text" else ["--out", tmp_path / "a.wav"]
        ask(run, *TEXT, "--to", to, "--max-new-tokens", 40, *out, *extra)
        said.append(capsys.readouterr().out)
        sounds += [soundfile.read(tmp_path / "a.wav", dtype="int16")[0]] if out else []
    if to == "text":
        assert said[0].split("(stopped")[0].strip() == said[1].strip() != ""
    else:
        assert len(sounds[0]) == len(sounds[1]) > 0 and np.abs(sounds[0].astype(int) - sounds[1]).max() <= 1


def test_raw_samples_go_to_stdout_and_nothing_else(run, tmp_path, capsys, monkeypatch):
    ask(run, *TEXT, "--to", "speech", "--out", tmp_path / "a.wav")
    capsys.readouterr()

    class Out(io.StringIO):
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", Out())
    ask(run, *TEXT, "--to", "speech", "--stream", "--out", "-")
    raw = np.frombuffer(Out.buffer.getvalue(), dtype="<i2")
    assert (
        sys.stdout.getvalue() == ""
        and np.abs(raw.astype(int) - soundfile.read(tmp_path / "a.wav", dtype="int16")[0]).max() <= 2
    )


def test_speech_stops_after_so_many_seconds(run, tmp_path, capsys):
    for seconds in (0.2, 0.5):
        ask(
            run,
            *TEXT,
            "--to",
            "speech",
            "--seconds",
            seconds,
            "--max-new-tokens",
            100,
            "--seed",
            1,
            "--out",
            tmp_path / "a.wav",
        )
        samples, rate = soundfile.read(tmp_path / "a.wav")
        assert seconds <= len(samples) / rate < seconds + 0.5 and f"stopped at {seconds:g} s" in capsys.readouterr().out


def test_an_adapter_is_named_by_its_stage_or_its_folder(run, capsys):
    said = []
    for adapter in (
        [],
        ["--adapter", "adapted"],
        ["--adapter", run / "adapted" / "model"],
        ["--language-model", run / "adapted" / "model"],
    ):
        ask(run, *TEXT, "--to", "text", "--max-new-tokens", 20, "--temperature", 0, *adapter)
        said.append(capsys.readouterr().out)
    assert said[0] != said[1] == said[2] == said[3]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--adapter", "none"], "--adapter none: no adapter there"),
        (["--to", "speech", "--out", "-"], "--out - writes samples while they are generated: add --stream"),
    ],
)
def test_mistakes_are_one_line(run, capsys, arguments, message):
    with pytest.raises(SystemExit):
        ask(run, *TEXT, *arguments)
    assert [message in line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")] == [True]


def test_export_writes_what_plain_transformers_reads(run, tmp_path, capsys):
    cli.main(
        [
            "export",
            "--run",
            str(run),
            "--language-model",
            str(run / "adapted" / "model"),
            "--merge",
            "--out",
            str(tmp_path / "out"),
        ]
    )
    assert "modality.py" in capsys.readouterr().out
    assert {"config.json", "model.safetensors", "tokenizer.json", "modality.py", "modality.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    for arguments, message in (
        (["--run", str(tmp_path)], "no language model in"),
        (["--run", str(run)], "is not empty"),
    ):
        with pytest.raises(SystemExit):
            cli.main(["export", *arguments, "--out", str(tmp_path / "out")])
        assert message in capsys.readouterr().err
