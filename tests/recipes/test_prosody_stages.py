"""The stages of pitch and style one after another on a few seconds of hums, and their recipes at paper size."""

import json

import lightning as L
import pytest
import torch

from datamodules import F0DataModule, StyleDataModule
from lightningmodules import PitchAutoencoder, StyleFinetuning
from recipes.engine.builder import Builder
from recipes.engine.recipe import load
from recipes.stages.prosody import cluster_style, extract_f0, train_pitch, train_style
from tests.toy_prosody import hum, write_corpus
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_store import F0Store
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.style_encoders import ProsodyStyleEncoder, TransformerStyleEncoder
from zoo.speech.style_units import StyleClassifier, StyleUnits
from zoo.speech.vector_quantizer import EMACodebook
from zoo.tokenizers.speech_tokenizer import UnitTokenizer, load_tokenizer


def trainer(steps: int) -> L.Trainer:
    return L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_corpus(folder)
    torch.manual_seed(0)
    extract_f0(folder / "f0", folder / "corpus", Autocorrelation(f0_max=500))
    sizes = {"dim": 8, "width": 8, "depth": 1}
    vqvae = PitchVQVAE(PitchEncoder(**sizes), EMACodebook(6, 8), PitchDecoder(**sizes), 30.0)
    train_pitch(folder / "pitch", PitchAutoencoder(vqvae, 3e-3), F0DataModule(folder / "f0", 7680, 4), trainer(20))
    encoder = ProsodyStyleEncoder(dim=16, depth=2)
    train_style(
        folder / "classifier",
        StyleFinetuning(encoder, StyleClassifier(16, 3, 8), 1e-2),
        StyleDataModule(folder / "corpus", 1.0, 6),
        trainer(40),
    )
    cluster_style(folder / "style", folder / "corpus", folder / "classifier" / "style", num_clusters=5)
    return folder


def test_each_stage_leaves_a_part_that_a_tokenizer_is_made_of(run, tmp_path):
    pitch, style = PitchUnits.load(run / "pitch" / "pitch"), StyleUnits.load(run / "style" / "style")
    assert (
        pitch.f0.config() == Autocorrelation(f0_max=500).config() and pitch.stream.size == 6 and style.stream.size == 5
    )
    UnitTokenizer([style, pitch]).save(tmp_path / "tokenizer")
    waveform = hum(140.0, "glad", 3.0, 5)
    tokens = load_tokenizer(tmp_path / "tokenizer").tokens(waveform)
    assert (tokens.of("St") == style.encode(waveform)).all() and len(tokens.of("St")) == 3
    assert str(tokens).startswith("[St") and "[Pi" in str(tokens)


def test_the_reports_are_of_held_out_speech(run):
    pitch = json.loads((run / "pitch" / "pitch.json").read_text())
    assert (
        pitch["log_f0_error"]["n"] == 8
        and pitch["units"] == 6
        and pitch["log_f0_error"]["interval"][0] < pitch["log_f0_error"]["octaves"]
    )
    style = json.loads((run / "classifier" / "style.json").read_text())
    assert style["accuracy"]["n"] == 8 and style["majority"] == 0.5 and set(style["recall"]) == {"calm", "glad"}
    metrics = json.loads((run / "classifier" / "metrics.json").read_text())
    assert style["accuracy"]["share"] == pytest.approx(metrics["val/accuracy"], abs=1e-4)


def test_no_style_unit_is_dead_and_they_tell_the_styles(run):
    report = json.loads((run / "style" / "clusters.json").read_text())
    assert report["train"]["units_used"] == 5 and set(report["train"]["named"]) == {*"01234"}
    assert report["dev"]["accuracy_by_unit"]["share"] > report["dev"]["majority"]
    labels = StyleUnits.load(run / "classifier" / "style").head.labels
    assert labels == ["calm", "glad", "unused 2"]


def test_the_same_seed_makes_the_same_clusters(run, tmp_path):
    cluster_style(tmp_path / "again", run / "corpus", run / "classifier" / "style", num_clusters=5)
    assert (
        StyleUnits.load(tmp_path / "again" / "style").checksum() == StyleUnits.load(run / "style" / "style").checksum()
    )


def test_too_much_unreadable_audio_stops_the_extraction_by_name(tmp_path):
    corpus = write_corpus(tmp_path, utterances=1)
    for path in sorted((tmp_path / "source" / "audio").glob("train_*.wav"))[:2]:
        path.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="2 of 6 utterances of 'train' could not be read"):
        extract_f0(tmp_path / "f0", corpus, Autocorrelation())
    assert extract_f0(tmp_path / "f0", corpus, Autocorrelation(), max_bad_share=0.5)["F0"].startswith(
        "utterances with a voiced frame: train 4 of 4"
    )


def test_f0_may_be_of_a_part_of_training_speech_alone(run, tmp_path):
    extract_f0(tmp_path, run / "corpus", Autocorrelation(f0_max=500), hours=1e-6)
    few, all_of_them = (F0Store(folder, "train") for folder in (tmp_path, run / "f0"))
    assert len(few) == 1 < len(all_of_them) and torch.equal(few.track(0).frequency, all_of_them.track(0).frequency)
    assert len(F0Store(tmp_path, "dev")) == len(F0Store(run / "f0", "dev"))


def test_the_pitch_recipe_has_the_networks_of_the_paper():
    with torch.device("meta"):
        model = Builder(load("prosody/pitch", ["corpus=none"]))("stages.pitch.model")
    network = model.network
    assert (network.factor, network.codebook.size, network.encoder.dim, len(network.encoder.downs)) == (16, 64, 128, 4)
    assert sum(p.numel() for p in network.parameters()) == 91_648 + 108_546  # counted by hand


def test_the_style_recipe_finetunes_a_whole_wav2vec2(tmp_path):
    recipe = load("prosody/style", ["corpus=none", f"checkpoint={tmp_path / 'wav2vec2'}"])
    TransformerStyleEncoder.untrained(hidden_size=768, num_layers=1, feed_forward=64, conv_dim=16).save(
        tmp_path / "wav2vec2"
    )
    model = Builder(recipe)("stages.classifier.model")
    trained = {name.split(".")[2] for name, p in model.encoder.named_parameters(prefix="encoder") if p.requires_grad}
    assert trained == {"feature_projection", "encoder"} or trained == {
        "feature_projection",
        "encoder",
        "masked_spec_embed",
    }
    assert model.head.size == 26 and model.frames_per_unit == 50
    with torch.device("meta"):
        assert sum(p.numel() for p in TransformerStyleEncoder.untrained().parameters()) == 94_371_712  # wav2vec2-base
