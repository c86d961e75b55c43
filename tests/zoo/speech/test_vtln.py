"""Synthetic voices with short and long vocal tracts saying the same words."""

from itertools import product

import numpy as np
import pytest
import torch

from zoo.corpora.espeak import Synthesizer, Voice
from zoo.metrics.unit_edit_distance import edit_distance
from zoo.speech.encoders import FilterbankEncoder
from zoo.speech.kmeans import fit_kmeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.speech.vtln import WARPS, VTLNFilterbankEncoder

TEXTS = (
    "Anna went to the farm.",
    "They fed the horse and led the cow.",
    "Tom cooked a soup in the kitchen.",
    "Lucy studied all day.",
)
HIGH, LOW = ("f4", "Annie", "linda"), ("m3", "m8", "rob")


@pytest.fixture(scope="module")
def speech():
    return {
        name: [Synthesizer().synthesize(text, Voice(f"en-us+{name}")).waveform for text in TEXTS] for name in HIGH + LOW
    }


@pytest.fixture(scope="module")
def adapted(speech):
    encoder = VTLNFilterbankEncoder(num_references=16)
    encoder.adapt(waveform for waveforms in speech.values() for waveform in waveforms)
    return encoder


def warp(encoder, waveform):
    return WARPS[encoder._best_warp(encoder._warped_features(waveform))]


def units(encoder, speech):
    features = {name: [encoder(waveform) for waveform in waveforms] for name, waveforms in speech.items()}
    frames = torch.cat([x for each in features.values() for x in each])
    quantizer = fit_kmeans([frames] * 8, 24, switch_penalty=1.0).quantizer
    return {name: [quantizer(x).numpy() for x in each] for name, each in features.items()}


def distance(encoder, speech):
    """Between the units of high and low voices that say the same, as a share of their length."""
    actual = units(encoder, speech)
    distances = []
    for high, low in product(HIGH, LOW):
        for a, b in zip(actual[high], actual[low], strict=True):
            distances.append(edit_distance(a, b) / max(len(a), len(b)))
    return np.mean(distances)


def test_high_voices_get_larger_warps_than_low_ones(speech, adapted):
    actual = {name: [warp(adapted, waveform) for waveform in waveforms] for name, waveforms in speech.items()}
    assert min(np.mean(actual[name]) for name in HIGH) > max(np.mean(actual[name]) for name in LOW) + 0.05


def test_normalization_makes_voices_share_more_units(speech, adapted):
    plain = FilterbankEncoder(delta_seconds=0.1, delta_weight=1.0, variance_normalization=0.75)
    assert distance(adapted, speech) < 0.9 * distance(plain, speech)


def test_stretched_spectrum_gets_a_larger_warp(speech, adapted):
    for waveform in speech["m3"]:
        stretched = waveform.view(1, 1, -1)
        faster = torch.nn.functional.interpolate(
            stretched, scale_factor=1 / 1.12, mode="linear"
        ).flatten()  # all frequencies 12% up
        assert warp(adapted, faster) > warp(adapted, waveform)


def test_single_warp_of_1_equals_the_plain_encoder(speech):
    unwarped = VTLNFilterbankEncoder(warps=(1.0,), num_references=4)
    unwarped.adapt(speech["m3"])
    plain = FilterbankEncoder(delta_seconds=0.1, delta_weight=1.0, variance_normalization=0.75)
    assert torch.allclose(unwarped(speech["m3"][0]), plain(speech["m3"][0]), atol=1e-3)


def test_references_are_saved_and_loaded(speech, adapted, tmp_path):
    quantizer = fit_kmeans([adapted(speech["m3"][1])] * 2, 8).quantizer
    before = PhoneticUnits(adapted, quantizer)
    before.save(tmp_path / "units")
    after = PhoneticUnits.load(tmp_path / "units")
    assert after.checksum() == before.checksum()
    for waveform in speech["f4"]:
        assert after.encode(waveform).tolist() == before.encode(waveform).tolist()


def test_encoder_without_adaptation_is_an_error(speech):
    with pytest.raises(ValueError, match="adapted"):
        VTLNFilterbankEncoder()(speech["m3"][0])
