import json

import pytest
import torch

from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import KMeans, fit_kmeans
from zoo.tokens.contract import read_contract
from zoo.tokens.tokenizers import Base, load_tokenizer


def noise(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed)).cumsum(0).sin()


@pytest.fixture(scope="module", params=[0.0, 1.5], ids=["nearest", "path"])
def tokenizer(request):
    encoder = FilterbankEncoder()
    return Base(encoder, fit_kmeans([encoder(noise(64000, seed)) for seed in range(3)], 12, switch_price=request.param).quantizer)


def test_a_saved_tokenizer_hears_the_same_and_has_the_same_contract(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "t")
    again = load_tokenizer(tmp_path / "t")
    for samples in (0, 1279, 1280, 20000, 50001):
        waveform = noise(samples, 7)
        assert again.encode(waveform)["Hu"].tolist() == tokenizer.encode(waveform)["Hu"].tolist()
    assert again.contract == tokenizer.contract == read_contract(tmp_path / "t") and again.streams == tokenizer.streams
    assert json.loads((tmp_path / "t" / "contract.json").read_text())["tokenizer"]["streams"][0] == {
        "prefix": "Hu", "size": 12, "rate": 25, "dedup": True, "clock": None}


def test_units_are_one_a_frame_and_tokens_are_deduplicated(tokenizer):
    units = tokenizer.encode(noise(48000, 5))["Hu"]
    assert len(units) == 75 and units.min() >= 0 and units.max() < 12
    tokens = tokenizer.tokens(noise(48000, 5))
    assert (tokens.unit[1:] != tokens.unit[:-1]).all() and tokenizer.parse(str(tokens)).unit.tolist() == tokens.unit.tolist()


@pytest.mark.parametrize("samples, frames", [(0, 0), (1, 0), (1279, 0), (1280, 2)])
def test_too_short_a_waveform_has_no_units(tokenizer, samples, frames):
    units = tokenizer.encode(noise(samples))["Hu"]
    assert len(units) == frames and units.dtype.kind == "i"


def test_anything_that_changes_the_units_changes_the_contract(tokenizer):
    def other(encoder=None, price=tokenizer.quantizer.switch_price, shift=0.0):
        quantizer = KMeans(12, 26, price)
        quantizer.load_state_dict(tokenizer.quantizer.state_dict())
        quantizer.centroids[3, 1] += shift
        return Base(encoder or FilterbankEncoder(), quantizer).contract["tokenizer"]["checksum"]

    assert other() == tokenizer.contract["tokenizer"]["checksum"]
    changed = {other(), other(shift=1e-3), other(price=9.0), other(FilterbankEncoder(smoothing_seconds=0.08)), other(FilterbankEncoder(num_mels=30))}
    assert len(changed) == 5


def test_a_folder_without_tokenizer_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no tokenizer.json in {tmp_path}"):
        load_tokenizer(tmp_path)
