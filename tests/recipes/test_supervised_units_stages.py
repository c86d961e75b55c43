import json

import pytest
import torch
from lightning import Trainer

from datamodules import TranscribedFeaturesDataModule
from lightningmodules import SupervisedUnits
from recipes.stages.supervised_units import compare_transcripts, store_features, train_supervised_units
from recipes.stages.tokenizer import train_base_tokenizer
from tests.toy_corpus import write_tones
from zoo.comparison.transcript_probe import ProbeTraining
from zoo.corpora.preparation import read_cuts
from zoo.speech.bottleneck import VectorQuantizer
from zoo.speech.context_layers import ConvolutionLayers
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.feature_store import FeatureStore
from zoo.speech.supervised_units import ReadingHead, SupervisedQuantizer
from zoo.speech.transcript_labels import Characters
from zoo.tokenizers.speech_tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("supervised")
    corpus = write_tones(folder, train=9, dev=3)
    store_features(folder / "features", corpus, FilterbankEncoder())
    train_base_tokenizer(folder / "kmeans", corpus, FilterbankEncoder(), 8, hours=1.0)
    return folder


def trained(folder, out, encoder, steps=3):
    torch.manual_seed(0)
    labels = Characters.load(folder / "features")
    quantizer = SupervisedQuantizer(VectorQuantizer(8, 32), ConvolutionLayers(26, 32, num_blocks=1))
    model = SupervisedUnits(quantizer, ReadingHead(32, labels), labels, 25.0, 1e-2)
    data = TranscribedFeaturesDataModule(folder / "features", labels, batch_frames=200)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    return train_supervised_units(out, model, data, encoder, trainer)


def test_stored_features_are_those_of_the_encoder(run):
    store = FeatureStore(run / "features", "dev")
    cuts = list(read_cuts(run / "corpus", "dev"))
    assert [row.id for row in store.rows] == [cut.id for cut in cuts] and store.rows[0].text == "la la la"
    waveform = torch.from_numpy(cuts[0].load_audio()[0])
    torch.testing.assert_close(store.features(0), FilterbankEncoder()(waveform), atol=2e-3, rtol=2e-3)
    assert Characters.load(run / "features").alphabet == " al"


def test_the_stage_writes_a_tokenizer_that_can_be_compared(run, tmp_path):
    lines = trained(run, run / "supervised", FilterbankEncoder())
    assert "of characters" in lines["errors of the head"] and "bits a second" in lines["units"]
    tokenizer = load_tokenizer(run / "supervised" / "tokenizer")
    (stream,) = tokenizer.streams
    assert (stream.prefix, stream.size, stream.rate) == ("Hu", 8, 25)
    tokenizers = {"k-means": run / "kmeans" / "tokenizer", "supervised": run / "supervised" / "tokenizer"}
    training = ProbeTraining(steps=3, batch_size=4, dim=8, num_layers=1)
    lines = compare_transcripts(tmp_path, run / "corpus", tokenizers, training)
    report = json.loads((tmp_path / "transcripts.json").read_text())
    assert report["synthetic_speech"] is False and list(report["units"]) == ["k-means", "supervised"]
    assert report["units"]["k-means"]["word_error_less_baseline"]["difference"] == 0
    assert "Recorded speech" in (tmp_path / "transcripts.md").read_text() and "word errors, k-means" in lines


def test_another_encoder_than_that_of_the_features_is_an_error(run, tmp_path):
    with pytest.raises(ValueError, match="of another encoder"):
        trained(run, tmp_path, FilterbankEncoder(delta_weight=0.7))
    assert not (tmp_path / "tokenizer").exists()


def test_speech_that_cannot_be_used_is_an_error(run, tmp_path):
    with pytest.raises(ValueError, match="no utterance of 'train' has a text and at most 0.1 s"):
        store_features(tmp_path, run / "corpus", FilterbankEncoder(), max_seconds=0.1)
