import numpy as np
import pytest
import torch

from tests.toy_prosody import hum
from zoo.comparison.unseen_speakers import (
    FRAME_ERROR,
    OCTAVES,
    STYLE,
    StyledUnits,
    contour_errors,
    style_hits,
    unseen_measures,
)
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_normalization import CenteredF0
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook
from zoo.tokens.units import Stream

STREAMS = (Stream("Hu", 2, 25.0), Stream("St", 2, 1.0, dedup=False))


def styled_units(styles, draw, swapped=False):
    """Random phonetic units, and style units that are the style, or the other one."""
    units = []
    for style in styles:
        style_unit = int((style == "sad") != swapped)
        units.append({"Hu": draw.integers(2, size=30), "St": np.full(3, style_unit)})
    return StyledUnits(units, styles)


def test_the_probe_is_fitted_to_seen_speech_alone():
    draw = np.random.default_rng(0)
    styles = ["sad", "glad"] * 20
    seen = styled_units(styles, draw)
    assert style_hits(STREAMS, seen, styled_units(styles, draw)).mean() == 1
    # Nothing is learned from unseen speech, where each style has the unit of the other.
    assert style_hits(STREAMS, seen, styled_units(styles, draw, swapped=True)).mean() == 0


def test_pitch_units_are_compared_with_a_flat_contour():
    """A tokenizer without pitch units gets a flat contour at the mean."""
    torch.manual_seed(0)
    sizes = {"dim": 8, "width": 8, "depth": 1}
    pitch = PitchUnits(
        Autocorrelation(f0_max=500), PitchVQVAE(PitchEncoder(**sizes), EMACodebook(4, 8), PitchDecoder(**sizes), 30.0)
    )
    wave = hum(150.0, "glad", 2.0, 0)
    flat = contour_errors(wave, pitch, False)
    track = pitch.f0(wave)
    octaves = (track.frequency[track.voiced] / track.frequency[track.voiced].mean()).log2()
    assert flat[OCTAVES] == pytest.approx(octaves.square().mean().sqrt().item(), rel=0.05) and 0 < flat[FRAME_ERROR] < 1
    assert set(contour_errors(wave, pitch, True)) == {FRAME_ERROR, OCTAVES}
    assert np.isnan(contour_errors(torch.zeros(16000), pitch, True)[FRAME_ERROR])


def test_measures_are_paired_by_utterance():
    draw = np.random.default_rng(0)
    base = [{STYLE: draw.integers(2, size=40).astype(float)} for _ in range(5)]
    expressive = [{STYLE: part[STYLE] + 0.2} for part in base]
    (measure,) = unseen_measures({"Base": base, "Expressive": expressive}, 0.25)
    assert measure.key == "probe_style" and measure.chance == 0.25
    assert measure.seeds == 5 and len(measure.by_seed["Base"]) == 5
    assert measure.differences["Expressive"].low == pytest.approx(0.2) == measure.differences["Expressive"].high


def test_centered_contours_of_two_voices_are_alike():
    low, high = (CenteredF0(Autocorrelation(f0_max=500))(hum(pitch, "glad", 1.5, 3)) for pitch in (110.0, 165.0))
    both = low.voiced & high.voiced
    assert both.float().mean() > 0.4 and low.frequency[both].log().mean().exp() == pytest.approx(150, rel=0.02)
    assert (low.frequency[both] / high.frequency[both]).log2().abs().median() < 0.02
