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


def sound(samples, seed=0):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def quantizer(kind, dim):
    torch.manual_seed(1)
    if kind == "ctc":
        return CTCQuantizer([dim, 12, 9])
    made = KMeans(8, dim, 0.5 if kind == "path" else 0.0)
    torch.nn.init.normal_(made.centroids)
    return made


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
        want = units.quantizer(units.encoder(sound(16000)))
    units.save(tmp_path / "p")
    again = PhoneticUnits.load(tmp_path / "p")
    assert units.encode(sound(16000)).tolist() == again.encode(sound(16000)).tolist() == want.tolist()
    assert len(set(want.tolist())) > 1
    assert again.checksum() == units.checksum() and again.config() == units.config() and again.stream == units.stream
    assert units.stream.size == (9 if kind == "ctc" else 8) and units.stream.clock == clock
    assert [waveform.tolist() for waveform in units.encode_batch([sound(9000), sound(7000, 1)])] == [
        units.encode(sound(9000)).tolist(),
        units.encode(sound(7000, 1)).tolist(),
    ]
    assert units.encode_batch([]) == []
    assert PhoneticUnits.load(tmp_path / "p", clock=clock * 0.999).stream.clock == clock * 0.999
    with pytest.raises(ValueError, match=f"samples are too few for Hu units: want {units.encoder.min_samples} or more"):
        units.encode(sound(units.encoder.min_samples - 1))


def test_anything_that_changes_the_units_changes_the_checksum():
    def other(encoder=None, penalty=0.0, shift=0.0, kind="kmeans"):
        made = quantizer(kind, 26)
        if kind == "kmeans":
            made.switch_penalty = penalty
        next(iter(made.state_dict().values())).view(-1)[3] += shift
        return PhoneticUnits(encoder or FilterbankEncoder(), made).checksum()

    assert other() == other() and other(kind="ctc") == other(kind="ctc")
    changed = {
        other(),
        other(shift=1e-3),
        other(penalty=9.0),
        other(FilterbankEncoder(smoothing_seconds=0.08)),
        other(FilterbankEncoder(num_mels=30)),
        other(kind="ctc"),
        other(kind="ctc", shift=1e-3),
        other(FilterbankEncoder(num_mels=30), kind="ctc"),
    }
    assert len(changed) == 8


def test_a_quantizer_of_another_encoder_is_refused():
    with pytest.raises(ValueError, match="features of width 20, but the encoder's are 26 wide"):
        PhoneticUnits(FilterbankEncoder(), KMeans(5, 20))


def test_a_clock_of_another_rate_is_refused():
    with pytest.raises(ValueError, match="a clock of 24.99 does not fit 50 units a second: leave it out"):
        PhoneticUnits(FilterbankEncoder(frame_rate=50), KMeans(5, 26), clock=24.99)


def test_folders_that_hold_no_phonetic_units_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no phonetic.json in {tmp_path}"):
        PhoneticUnits.load(tmp_path)
    PhoneticUnits(FilterbankEncoder(), KMeans(5, 26)).save(tmp_path / "p")
    form = json.loads((tmp_path / "p" / "phonetic.json").read_text())
    for part in ("encoder", "quantizer"):
        (tmp_path / "p" / "phonetic.json").write_text(json.dumps({**form, part: {"class": "Popen", "arguments": {}}}))
        with pytest.raises(ValueError, match=f"unknown {part} 'Popen'; known are "):
            PhoneticUnits.load(tmp_path / "p")
