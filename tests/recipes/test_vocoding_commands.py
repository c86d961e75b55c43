import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from recipes.commands import cli
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base
from zoo.vocoder import (
    DurationPredictor,
    HiFiGANGenerator,
    HiFiGANSizes,
    Vocoder,
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a tokenizer of 8 units and a vocoder of two voices."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    encoder = FilterbankEncoder()
    quantizer = KMeans(8, encoder.dim)
    quantizer.centroids.normal_()
    tokenizer = Base(PhoneticUnits(encoder, quantizer))
    tokenizer.save(tmp_path / "run" / "tokenizer" / "tokenizer")
    generator = HiFiGANGenerator(
        {"Hu": 8},
        25,
        num_speakers=2,
        embedding_dim=4,
        backbone=HiFiGANSizes(
            channels=16,
            upsample_rates=(8, 8, 10),
            upsample_kernel_sizes=(16, 16, 20),
            resblock_kernel_sizes=(3,),
            resblock_dilations=((1,),),
        ),
    )
    vocoder = Vocoder(
        generator, tokenizer.streams, DurationPredictor(4, 8), ["ann", "bob"], contract=tokenizer.contract
    )
    vocoder.save(tmp_path / "run" / "vocoder" / "vocoder")
    soundfile.write("a.wav", 0.1 * np.random.default_rng(0).normal(size=16000), 16000)
    return vocoder


def refused(arguments, capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def test_vocode_writes_what_the_vocoder_says(run, capsys):
    cli.main(["vocode", "--run", "run", "--units", "[Hu1][Hu7]", "--speaker", "bob", "--out", "b.wav"])
    made, rate = soundfile.read("b.wav", dtype="float32")
    wanted = run("[Hu1][Hu7]", "bob").clamp(-1, 1)
    assert rate == 16000 and np.abs(made - wanted.numpy()).max() < 1e-4 and "s of speech" in capsys.readouterr().out
    cli.main(["vocode", "--run", "run", "--units", "[Hu1][Hu1][Hu7]", "--raw", "--speaker", "1", "--out", "raw.wav"])
    assert soundfile.info("raw.wav").frames == 3 * 640


def test_resynthesize_keeps_the_timing_or_predicts_it(run, capsys):
    cli.main(["resynthesize", "a.wav", "--run", "run", "--out", "b.wav"])
    assert soundfile.info("b.wav").frames == 16000 and capsys.readouterr().out.startswith("[Hu")
    cli.main(["resynthesize", "a.wav", "--run", "run", "--predict-durations", "--out", "c.wav"])
    assert soundfile.info("c.wav").frames % 640 == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["vocode", "--run", "run", "--units", "[Hu8]", "--out", "o.wav"], r"\[Hu8\]: Hu units are 0 to 7"),
        (["vocode", "--run", "run", "--units", "", "--out", "o.wav"], "no Hu units to synthesize"),
        (["vocode", "--run", "run", "--units", "hello", "--out", "o.wav"], "is not of the form"),
        (
            ["vocode", "--run", "run", "--units", "[Hu1]", "--speaker", "2", "--out", "o.wav"],
            "speaker 2 is out of range: this vocoder has 0 to 1",
        ),
        (["vocode", "--run", "run", "--units", "[Hu1]", "--speaker", "bop", "--out", "o.wav"], "did you mean 'bob'"),
        (["vocode", "--run", "nowhere", "--units", "[Hu1]", "--out", "o.wav"], "--run nowhere: no such folder"),
        (["vocode", "--units", "[Hu1]", "--out", "o.wav"], "--run RUN or --vocoder FOLDER"),
        (["vocode", "--vocoder", "run", "--units", "[Hu1]", "--out", "o.wav"], "no vocoder in run"),
        (["resynthesize", "missing.wav", "--run", "run", "--out", "o.wav"], "missing.wav: no such file"),
        (["resynthesize", "short.wav", "--run", "run", "--out", "o.wav"], "too short for a single unit"),
    ],
)
def test_bad_input_is_one_clear_line(run, capsys, tmp_path, arguments, message):
    soundfile.write("short.wav", np.full(300, 0.1), 16000)
    assert re.search(message, refused(arguments, capsys))
    assert not (tmp_path / "o.wav").exists()


def test_a_run_with_several_vocoders_asks_which(run, capsys, tmp_path):
    run.save(tmp_path / "run" / "other" / "vocoder")
    cli.main(["vocode", "--run", "run", "--units", "[Hu1]", "--out", "o.wav"])  # the stage of that name is meant
    (tmp_path / "run" / "vocoder").rename(tmp_path / "run" / "first")
    message = refused(["vocode", "--run", "run", "--units", "[Hu1]", "--out", "p.wav"], capsys)
    assert "choose one with --vocoder run/first/vocoder or run/other/vocoder" in message


def test_a_vocoder_of_other_units_is_refused(run, capsys):
    run.contract = {"tokenizer": {**run.contract["tokenizer"], "checksum": "other"}}
    run.save(Path("other"))
    assert "tokenizer.checksum" in refused(
        ["resynthesize", "a.wav", "--run", "run", "--vocoder", "other", "--out", "o.wav"], capsys
    )
