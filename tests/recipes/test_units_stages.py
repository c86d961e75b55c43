"""The stages that train phonetic units, one after another, on a demo corpus of half a minute."""

import json

import lightning as L
import pytest
import torch

from datamodules import AugmentedDataModule, DurationBuckets, WaveformDataModule
from lightningmodules import AugmentationInvariantQuantizer, HubertPretraining, MaskedPrediction, QuantizerLosses
from recipes.stages.corpus import prepare_corpus
from recipes.stages.tokenizer import train_base_tokenizer
from recipes.stages.units import evaluate_units, pretrain_hubert, train_ctc_quantizer
from zoo.corpora import DemoCorpus
from zoo.speech.augmentation import ColoredNoise, Noise, TimeStretch, Unchanged
from zoo.speech.ctc_quantizer import ContextCTCQuantizer
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder
from zoo.speech.hubert_pretraining import hubert
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import load_tokenizer

UNITS = 12
AUGMENTATIONS = {"noise": Noise(ColoredNoise()), "same": Unchanged()}


def trainer(steps):
    return L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        val_check_interval=steps,
        check_val_every_n_epoch=None,
        log_every_n_steps=1,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("units")
    prepare_corpus(run / "corpus", DemoCorpus(hours=0.01, num_cloze=0, num_processes=1))
    train_base_tokenizer(run / "kmeans", run / "corpus", FilterbankEncoder(), num_clusters=UNITS, passes=2)
    return run


def teacher(run):
    return PhoneticUnits.load(run / "kmeans" / "tokenizer" / "Hu")


def test_a_quantizer_becomes_a_tokenizer_and_both_are_compared_on_the_same_speech(run):
    torch.manual_seed(0)
    encoder = FilterbankEncoder()
    model = AugmentationInvariantQuantizer(
        ContextCTCQuantizer(26, [UNITS + 1], 8, 1), encoder, teacher(run), 1e-2, QuantizerLosses(aligned_steps=2)
    )
    data = AugmentedDataModule(
        run / "corpus", TimeStretch(), AUGMENTATIONS, DurationBuckets(12.0, max_seconds=4.0), num_validation=2
    )
    train_ctc_quantizer(run / "ctc", model, data, trainer(3))
    tokenizer, waveform = (
        load_tokenizer(run / "ctc" / "tokenizer"),
        0.1 * torch.randn(20000, generator=torch.Generator().manual_seed(0)),
    )
    assert tokenizer.streams[0].size == UNITS + 1
    assert (
        tokenizer.encode(waveform)["Hu"].tolist() == PhoneticUnits(encoder, model.quantizer).encode(waveform).tolist()
    )
    assert json.loads((run / "ctc" / "metrics.json").read_text())["val/ued_same"] == 0.0

    lines = evaluate_units(
        run / "evaluation",
        run / "corpus",
        {"k-means": run / "kmeans" / "tokenizer", "CTC": run / "ctc" / "tokenizer"},
        AUGMENTATIONS,
    )
    report = json.loads((run / "evaluation" / "units.json").read_text())
    assert (
        report["synthetic_speech"] is True
        and list(report["units"]) == ["k-means", "CTC"]
        and "unit edit distance, CTC" in lines
    )
    for figures in report["units"].values():
        assert figures["unit_edit_distance"]["same"]["value"] == 0.0 < figures["unit_edit_distance"]["noise"]["value"]
        assert 1 <= figures["perplexity"] <= figures["size"]
        assert 0 < figures["pnmi"] < 1 and 0 < figures["purity"] < 1
    table = (run / "evaluation" / "units.md").read_text()
    assert "speech made by a synthesizer" in table and "| CTC |" in table and "lower" in table
    before = (run / "evaluation" / "units.json").read_bytes()
    evaluate_units(
        run / "evaluation",
        run / "corpus",
        {"k-means": run / "kmeans" / "tokenizer", "CTC": run / "ctc" / "tokenizer"},
        AUGMENTATIONS,
    )
    assert (run / "evaluation" / "units.json").read_bytes() == before


def test_a_pretrained_hubert_is_an_encoder_for_units_of_its_own_layer(run):
    torch.manual_seed(0)
    network = hubert(16, 2, 2, 24, 8, [20, 8, 4, 4], [10, 8, 4, 2], 8, 2)
    model = HubertPretraining(network, teacher(run), 1e-3, MaskedPrediction(predictor_dim=8))
    pretrain_hubert(
        run / "hubert",
        model,
        WaveformDataModule(run / "corpus", DurationBuckets(8.0, max_seconds=2.0), num_validation=2),
        trainer(2),
    )
    encoder = HubertEncoder(str(run / "hubert" / "model"), 1)
    waveform = 0.1 * torch.randn(20000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        want = network.eval()(waveform[None], output_hidden_states=True).hidden_states[1][0]
        torch.testing.assert_close(encoder(waveform), want, rtol=1e-5, atol=1e-5)
    assert encoder.normalize is False and (run / "hubert" / "model" / "preprocessor_config.json").is_file()
    train_base_tokenizer(run / "own", run / "corpus", encoder, num_clusters=4, passes=1)
    units = load_tokenizer(run / "own" / "tokenizer")
    again = HubertPretraining(network, PhoneticUnits.load(run / "own" / "tokenizer" / "Hu"), 1e-3)
    assert (
        again.labels(waveform[None], 30)[0].tolist() == units.encode(waveform)["Hu"][:30].tolist()
        and again.predictor.units.shape[0] == 4
    )
