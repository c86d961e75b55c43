import json

import lightning as L
import pytest
import torch

from datamodules.vocoder import VocoderDataModule
from lightningmodules import UnitVocoder
from recipes.stages.training import train_vocoder
from recipes.stages.vocoder_report import report_vocoders
from tests.toy_speech import write_hums
from zoo.evaluation.judges.speech_judges import SpeechJudges
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base
from zoo.tokens.contract import ContractError, write_contract
from zoo.vocoder import (
    ConvNeXtSizes,
    DurationPredictor,
    ISTFTGenerator,
    Vocoder,
)


@pytest.fixture
def made(tmp_path):
    """Tokens of hums, a tokenizer, a vocoder that has not learned anything."""
    torch.manual_seed(0)
    encoder = FilterbankEncoder()
    quantizer = KMeans(6, encoder.dim)
    quantizer.centroids.normal_()
    tokenizer = Base(PhoneticUnits(encoder, quantizer))
    tokenizer.save(tmp_path / "tokenizer")
    tokens = write_hums(tmp_path, [30] * 30)
    write_contract(tokens, tokenizer.contract)
    generator = ISTFTGenerator(
        {"Hu": 6}, 25, num_speakers=2, embedding_dim=4, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1)
    )
    vocoder = Vocoder(
        generator, tokenizer.streams, DurationPredictor(4, 8), ["bob", "ann"], contract=tokenizer.contract
    )
    vocoder.save(tmp_path / "vocoder")
    return tmp_path, VocoderDataModule(tokens, {"Hu": 25.0}, 10, 2)


def test_systems_are_compared_on_the_same_held_out_utterances(made):
    folder, data = made
    lines = report_vocoders(
        folder / "out",
        folder,
        data,
        folder / "tokenizer",
        {"mine": folder / "vocoder"},
        Autocorrelation(),
        True,
        num_examples=1,
    )
    report = json.loads((folder / "report.json").read_text())
    assert (
        report["utterances"] == 3
        and report["synthetic_speech"]
        and set(report["systems"]) == {"mine", "untrained", "griffin-lim"}
    )
    value = {name: rows["mel_distance"]["mean"] for name, rows in report["systems"].items()}
    assert value["griffin-lim"] < value["untrained"]
    for other in ("untrained", "griffin-lim"):
        difference = report["differences"]["mine"][other]["mel_distance"]
        assert difference["mean"] == pytest.approx(value["mine"] - value[other], abs=2e-4) and difference["n"] == 3
    assert report["systems"]["mine"]["unit_edit_distance_durations_predicted"]["n"] == 3
    assert {path.name for path in (folder / "out").glob("*.wav")} == {
        f"0_{name}.wav" for name in ("original", "mine", "untrained", "griffin-lim")
    }
    assert "speech made by a synthesizer" in (folder / "report.md").read_text() and "mine" in lines["best mel distance"]


class Volume:
    """Opinion scores that are the peak of the waveform."""

    names = ("volume",)

    def __call__(self, waveforms, sample_rate):
        assert sample_rate == 16000
        return {"volume": [waveform.abs().max().item() for waveform in waveforms]}


def test_judges_come_first_with_the_recordings_and_with_predicted_durations(made):
    folder, data = made
    report_vocoders(
        folder / "out",
        folder,
        data,
        folder / "tokenizer",
        {"mine": folder / "vocoder"},
        Autocorrelation(),
        True,
        SpeechJudges(opinions=[Volume()]),
        num_examples=0,
    )
    report = json.loads((folder / "report.json").read_text())
    assert list(report["systems"]) == ["original", "mine", "mine, predicted durations", "untrained", "griffin-lim"]
    assert list(report["systems"]["original"]) == ["volume"] and next(iter(report["systems"]["mine"])) == "volume"
    data.setup("fit")
    peaks = [data.rows.segment(int(row), 0, 30)["waveform"].abs().max().item() for row in data.validation]
    assert report["systems"]["original"]["volume"]["mean"] == pytest.approx(sum(peaks) / 3, abs=1e-3)
    gap = report["differences"]["mine"]["mine, predicted durations"]["volume"]
    values = {name: report["systems"][name]["volume"]["mean"] for name in report["systems"]}
    assert gap["mean"] == pytest.approx(values["mine"] - values["mine, predicted durations"], abs=2e-4)
    text = (folder / "report.md").read_text()
    assert "Not measured: word and character errors (no recognizer was named)." in text


def test_a_vocoder_of_another_tokenizer_is_refused(made):
    folder, data = made
    write_contract(folder / "vocoder", {"tokenizer": {"streams": [], "checksum": "other"}})
    with pytest.raises(ContractError):
        report_vocoders(
            folder / "out", folder, data, folder / "tokenizer", {"mine": folder / "vocoder"}, Autocorrelation(), True
        )


def test_a_generator_of_other_units_is_refused_before_it_is_trained(made):
    folder, data = made
    model = UnitVocoder(
        ISTFTGenerator(
            {"Hu": 7}, 25, num_speakers=2, embedding_dim=4, backbone=ConvNeXtSizes(channels=8, hidden=8, num_blocks=1)
        )
    )
    with pytest.raises(ValueError, match="the generator has 7 Hu units"):
        train_vocoder(
            folder / "out",
            model,
            data,
            L.Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False),
        )
    assert not (folder / "out").exists()
