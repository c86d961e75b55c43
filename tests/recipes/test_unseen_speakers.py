"""Tokenizers trained without each half of the speakers of a few hums, and measured on that half."""

import json

import lightning as L
import pytest

from datamodules import F0DataModule, StyleDataModule
from lightningmodules import PitchAutoencoder, StyleFinetuning
from recipes.stages.prosody import extract_f0
from recipes.stages.tokenizer_variants import (
    PhoneticTraining,
    PitchTraining,
    StyleTraining,
    train_tokenizer_variants,
)
from recipes.stages.unseen_speakers import measure_unseen_speakers
from tests.toy_prosody import write_corpus
from zoo.corpora import SpeakerFold, open_corpus, prepare
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.style_encoders import ProsodyStyleEncoder
from zoo.speech.style_units import StyleClassifier
from zoo.speech.vector_quantizer import EMACodebook
from zoo.tokenizers.speech_tokenizer import load_tokenizer
from zoo.tokens.contract import read_contract


def trainer(steps):
    return L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


def variants(out, corpus, seed):
    sizes = {"dim": 8, "width": 8, "depth": 1}
    vqvae = PitchVQVAE(PitchEncoder(**sizes), EMACodebook(6, 8), PitchDecoder(**sizes), 30.0)
    style = StyleFinetuning(ProsodyStyleEncoder(dim=16, depth=1), StyleClassifier(16, 2, 8), 2e-2)
    extract_f0(out / "f0", corpus, Autocorrelation(f0_max=500))
    return train_tokenizer_variants(
        out,
        corpus,
        PhoneticTraining(FilterbankEncoder(), num_clusters=6),
        PitchTraining(PitchAutoencoder(vqvae, 3e-3), F0DataModule(out / "f0", 7680, 4), trainer(5)),
        StyleTraining(style, StyleDataModule(corpus, 1.0, 6), trainer(20), num_clusters=4),
        seed=seed,
    )


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    write_corpus(folder, 2)
    for part in range(2):
        prepare(SpeakerFold(open_corpus(folder / "source"), part, 2), folder / f"part_{part}")
        variants(folder / f"variants_{part}", folder / f"part_{part}", part)
    return folder


def test_unseen_speakers_are_measured_once_each(parts, tmp_path):
    corpora = [parts / f"part_{part}" for part in range(2)]
    tokenizers = {
        name: [parts / f"variants_{part}" / name.lower() for part in range(2)] for name in ("Base", "Expressive")
    }
    measure_unseen_speakers(tmp_path, corpora, tokenizers)
    rows = {row["key"]: row for row in json.loads((tmp_path / "measures.json").read_text())["measures"]}
    assert set(rows) == {"probe_style", "f0_of_units_frame_error", "f0_of_units_octaves"}
    probe = rows["probe_style"]
    assert (
        probe["seeds"] == 2
        and probe["trained"] == "tokenizers"
        and probe["values"]["Base"]["n"] == 4 * 2 * 2
        and probe["chance"] == 0.5
    )
    assert sum(probe["by_seed"]["Base"]) / 2 == pytest.approx(probe["values"]["Base"]["value"], abs=1e-3)
    with pytest.raises(ValueError, match="tokenizers.Base: 1 for 2 parts"):
        measure_unseen_speakers(tmp_path, corpora, {**tokenizers, "Base": tokenizers["Base"][:1]})


def test_both_variants_share_phonetic_units_and_seeds_differ(parts, tmp_path):
    base, expressive = (load_tokenizer(parts / "variants_0" / name) for name in ("base", "expressive"))
    assert base.extractors["Hu"].checksum() == expressive.extractors["Hu"].checksum() and list(
        expressive.extractors
    ) == ["Hu", "Pi", "St"]
    lines = variants(tmp_path, parts / "part_0", 7)
    assert set(lines) >= {"tokenizer", "pitch units", "style"}
    checksums = [
        {name: read_contract(folder / "expressive")["tokenizer"]["parts"][name] for name in ("Hu", "Pi", "St")}
        for folder in (parts / "variants_0", tmp_path)
    ]
    assert all(checksums[0][name] != checksums[1][name] for name in checksums[0])
