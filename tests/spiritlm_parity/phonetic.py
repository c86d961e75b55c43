"""The official phonetic units: dense features at every layer, blanks, units, chunks."""

from functools import cache

import numpy as np
import pytest
import torch

from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, arrays, cases, waveform
from zoo.interop.spiritlm.hubert import extract_features, load_hubert, load_phonetic
from zoo.interop.spiritlm.tokenizer import PHONETIC
from zoo.speech.encoders import HubertEncoder
from zoo.speech.phonetic_units import PhoneticUnits

FOLDER = FIXTURES / "speech_tokenizer" / PHONETIC
EXTRA = FIXTURES / "extra" / "hubert_large_style.pt"
RELATIVE_TOLERANCE = 1e-4

each_wav = pytest.mark.parametrize("wav", [param.id for param in cases("hubert")])


@cache
def phonetic() -> PhoneticUnits:
    return load_phonetic(FOLDER)


def assert_features(found: torch.Tensor, name: str) -> None:
    want = arrays()[name]
    assert found.shape == want.shape and np.abs(found.numpy() - want).max() <= RELATIVE_TOLERANCE * np.abs(want).max()


def layer_of(name: str) -> tuple[str, int | None]:
    wav, layer = name.split("/layer")
    return wav, None if layer == "None" else int(layer)


@each_wav
def test_dense_features(wav):
    assert_features(extract_features(phonetic().encoder, waveform(wav)), EXPECTED["hubert"][wav]["dense"])


@pytest.mark.parametrize("name", [param.id for param in cases("hubert_other_layers")])
def test_dense_features_of_other_layers(name):
    wav, layer = layer_of(name)
    encoder = HubertEncoder(load_hubert(FOLDER / "mhubert_base_25hz.pt"), layer, normalize=False)
    assert_features(extract_features(encoder, waveform(wav)), EXPECTED["hubert_other_layers"][name])


@pytest.mark.skipif(not EXTRA.is_file(), reason=f"no {EXTRA}")
@pytest.mark.parametrize("name", [param.id for param in cases("extra_hubert_large_style")])
def test_dense_features_of_another_style_of_network(name):
    wav, layer = layer_of(name)
    normalize = torch.load(EXTRA, weights_only=True)["task_cfg"]["normalize"]
    encoder = HubertEncoder(load_hubert(EXTRA), layer, normalize=False)
    assert_features(
        extract_features(encoder, waveform(wav), normalize=normalize), EXPECTED["extra_hubert_large_style"][name]
    )


@each_wav
def test_units_and_the_blanks_before_them(wav):
    case, units = EXPECTED["hubert"][wav], phonetic()
    dense = extract_features(units.encoder, waveform(wav))
    with torch.inference_mode():
        log_probs = units.quantizer.log_probs(dense[None])[0]
    assert log_probs.argmax(-1).tolist() == case["argmax_before_blank_replacement"]
    assert units.quantizer(dense).tolist() == units.encode(waveform(wav)).tolist() == case["units"]
    assert len(case["units"]) == case["n"]
    if "log_probs_first_6_frames" in case:
        assert np.abs(log_probs[:6].numpy() - arrays()[case["log_probs_first_6_frames"]]).max() < 1e-3
    if "conv_features" in case:
        with torch.inference_mode():
            assert_features(units.encoder.network.feature_extractor(waveform(wav)[None])[0], case["conv_features"])


@pytest.mark.parametrize("case", cases("quantizer_blank_cases"))
def test_blanks(case):
    quantizer, dense = phonetic().quantizer, torch.from_numpy(arrays()[case["features"]])
    if dense.dim() == 2:
        assert quantizer(dense).tolist() == case["units"]
    else:
        # The release lets a leading blank take the last unit of the row before; here rows do not know of each other.
        units = quantizer(dense)
        for row, alone, argmax, official in zip(units, dense, case["argmax"], case["units"], strict=True):
            own = next((i for i, unit in enumerate(argmax) if unit != quantizer.size), len(argmax))
            assert row.tolist() == quantizer(alone).tolist() and row[own:].tolist() == official[own:]
            assert row[:own].tolist() == [official[-1]] * own


def test_rows_of_a_batch_are_those_of_each_alone():
    """The release's batch of two rolls blanks over both; all but leading blanks are the same."""
    units = phonetic()
    for wav, official in zip(("chirp", "speech"), EXPECTED["hubert_batch_of_two_roll"], strict=True):
        dense = extract_features(units.encoder, waveform(wav)[:16000])
        with torch.inference_mode():
            argmax = units.quantizer.log_probs(dense[None])[0].argmax(-1)
        own = int((argmax != units.quantizer.size).nonzero()[0])
        assert units.encode(waveform(wav)[:16000])[own:].tolist() == official[0][own:]


def test_pieces_of_its_own_of_40000_samples():
    units = phonetic()
    for wav, want in EXPECTED["hubert_own_max_chunk_40000"].items():
        assert units.quantizer(extract_features(units.encoder, waveform(wav), 40_000)).tolist() == want


@pytest.mark.parametrize("samples", [param.id for param in cases("hubert_below_receptive_field")])
def test_lengths_about_the_receptive_field(samples):
    case, units = EXPECTED["hubert_below_receptive_field"][samples], phonetic()
    piece = waveform("short")[: int(samples)]
    if "error" in case:
        with pytest.raises(ValueError, match="samples"):
            extract_features(units.encoder, piece)
        with pytest.raises(ValueError, match="samples"):
            units.encode(piece)
    else:
        assert (
            units.quantizer(extract_features(units.encoder, piece)).tolist()
            == units.encode(piece).tolist()
            == case["out"]
        )


def test_frames_for_samples():
    for samples, frames in EXPECTED["hubert_frames_for_samples"].items():
        assert len(phonetic().encode(torch.zeros(int(samples)))) == frames


def test_golden_counts_of_raw_units():
    """228 raw units of the clip of the golden case. How many are left without repetition depends on the weights, which are random here."""
    assert len(phonetic().encode(waveform("speech"))) == EXPECTED["hubert"]["speech"]["n"] == 228
