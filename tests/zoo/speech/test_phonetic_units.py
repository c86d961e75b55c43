import json

import pytest
import torch
from transformers import HubertConfig, HubertModel

from zoo.speech.ctc_quantizer import CTCQuantizer
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8, 8),
    "conv_kernel": (10, 8, 4),
    "conv_stride": (5, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def noise(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def quantizer(kind, dim):
    torch.manual_seed(1)
    if kind == "ctc":
        return CTCQuantizer([dim, 12, 9])
    quantizer_ = KMeans(8, dim, 0.5 if kind == "path" else 0.0)
    torch.nn.init.normal_(quantizer_.centroids)
    return quantizer_


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hubert")
    torch.manual_seed(0)
    HubertModel(HubertConfig(**SMALL)).save_pretrained(folder)
    return {"filterbank": FilterbankEncoder(), "hubert": HubertEncoder(str(folder), 2, normalize=False)}


@pytest.mark.parametrize("kind", ["kmeans", "path", "ctc"])
@pytest.mark.parametrize("encoder", ["filterbank", "hubert"])
def test_units_are_the_quantized_features_before_and_after_saving(encoders, encoder, kind, tmp_path):
    clock = 0.9996 * encoders[encoder].frame_rate
    units = PhoneticUnits(encoders[encoder], quantizer(kind, encoders[encoder].dim), clock)
    with torch.inference_mode():
        expected = units.quantizer(units.encoder(noise(16000)))
    units.save(tmp_path / "p")
    reloaded = PhoneticUnits.load(tmp_path / "p")
    assert units.encode(noise(16000)).tolist() == reloaded.encode(noise(16000)).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1
    assert (
        reloaded.checksum() == units.checksum()
        and reloaded.config() == units.config()
        and reloaded.stream == units.stream
    )
    assert units.stream.size == (9 if kind == "ctc" else 8) and units.stream.clock == clock
    assert [waveform.tolist() for waveform in units.encode_batch([noise(9000), noise(7000, 1)])] == [
        units.encode(noise(9000)).tolist(),
        units.encode(noise(7000, 1)).tolist(),
    ]
    assert units.encode_batch([]) == []
    assert PhoneticUnits.load(tmp_path / "p", clock=clock * 0.999).stream.clock == clock * 0.999
    with pytest.raises(ValueError, match=f"samples are too few for Hu units: want {units.encoder.min_samples} or more"):
        units.encode(noise(units.encoder.min_samples - 1))


def test_checksum_changes_with_everything_that_changes_the_units():
    def checksum(encoder=None, penalty=0.0, shift=0.0, kind="kmeans"):
        quantizer_ = quantizer(kind, 26)
        if kind == "kmeans":
            quantizer_.switch_penalty = penalty
        next(iter(quantizer_.state_dict().values())).view(-1)[3] += shift
        return PhoneticUnits(encoder or FilterbankEncoder(), quantizer_).checksum()

    assert checksum() == checksum() and checksum(kind="ctc") == checksum(kind="ctc")
    changed = {
        checksum(),
        checksum(shift=1e-3),
        checksum(penalty=9.0),
        checksum(FilterbankEncoder(delta_seconds=0.08)),
        checksum(FilterbankEncoder(num_mels=30)),
        checksum(kind="ctc"),
        checksum(kind="ctc", shift=1e-3),
        checksum(FilterbankEncoder(num_mels=30), kind="ctc"),
    }
    assert len(changed) == 8


def test_quantizer_of_another_encoder_is_an_error():
    with pytest.raises(ValueError, match="features of width 20, but the encoder's are 26 wide"):
        PhoneticUnits(FilterbankEncoder(), KMeans(5, 20))


def test_clock_of_another_rate_is_an_error():
    with pytest.raises(ValueError, match="a clock of 24.99 does not fit 50 units a second: leave it out"):
        PhoneticUnits(FilterbankEncoder(frame_rate=50), KMeans(5, 26), clock=24.99)


def test_folder_without_phonetic_units_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no phonetic.json in {tmp_path}"):
        PhoneticUnits.load(tmp_path)
    PhoneticUnits(FilterbankEncoder(), KMeans(5, 26)).save(tmp_path / "p")
    config = json.loads((tmp_path / "p" / "phonetic.json").read_text())
    for part in ("encoder", "quantizer"):
        (tmp_path / "p" / "phonetic.json").write_text(json.dumps({**config, part: {"class": "Popen", "arguments": {}}}))
        with pytest.raises(ValueError, match=f"unknown {part} 'Popen'; known are "):
            PhoneticUnits.load(tmp_path / "p")
