import numpy as np
import pytest
import torch

from tests.toy_prosody import hum
from zoo.comparison.unseen_speakers import FRAME, OCTAVES, STYLE, Heard, melody_errors, pooled, style_hits, unseen_rows
from zoo.speech.f0 import CenteredF0
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook
from zoo.tokens.units import Stream


def test_pooling_draws_speakers_as_well_as_utterances():
    draw = np.random.default_rng(0)
    parts = [draw.normal(0, 1, 100) for _ in range(5)]
    alike, apart = (
        pooled([one - one.mean() for one in parts]),
        pooled([one - one.mean() + level for level, one in zip((-2, -1, 0, 1, 2), parts)]),
    )
    assert alike.n == 500 and alike.value == pytest.approx(0, abs=1e-9) == apart.value
    assert alike.high - alike.low == pytest.approx(2 * 1.96 / 500**0.5, rel=0.2)
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * 2**0.5 / 5**0.5, rel=0.2)  # of five levels


def test_utterances_without_a_figure_are_left_out():
    found = pooled([np.array([1.0, np.nan]), np.array([np.nan]), np.array([0.0, 0.0, 0.0])])
    assert found.value == 0.25 and found.n == 4
    with pytest.raises(ValueError, match="no utterance"):
        pooled([np.array([np.nan])])


class Ears:
    streams = (Stream("Hu", 2, 25.0), Stream("St", 2, 1.0, dedup=False))


def test_the_probe_is_fitted_to_known_speech_alone():
    draw = np.random.default_rng(0)
    heard = lambda styles, swapped: Heard(
        [
            {"Hu": draw.integers(2, size=30), "St": np.full(3, (style == "sad") != swapped, dtype=int)}
            for style in styles
        ],
        styles,
    )
    styles = ["sad", "glad"] * 20
    assert style_hits(Ears(), heard(styles, False), heard(styles, False)).mean() == 1
    assert (
        style_hits(Ears(), heard(styles, False), heard(styles, True)).mean() == 0
    )  # nothing of the unseen was learned


def test_pitch_units_are_held_against_a_flat_line():
    """A decoder that knows nothing but the mean is that flat line, wherever both have a voice."""
    torch.manual_seed(0)
    sizes = {"dim": 8, "width": 8, "depth": 1}
    pitch = PitchUnits(
        Autocorrelation(f0_max=500), PitchVQVAE(PitchEncoder(**sizes), EMACodebook(4, 8), PitchDecoder(**sizes), 30.0)
    )
    wave = hum(150.0, "glad", 2.0, 0)
    flat = melody_errors(wave, pitch, False)
    track = pitch.f0(wave)
    octaves = (track.frequency[track.voiced] / track.frequency[track.voiced].mean()).log2()
    assert flat[OCTAVES] == pytest.approx(octaves.square().mean().sqrt().item(), rel=0.05) and 0 < flat[FRAME] < 1
    assert set(melody_errors(wave, pitch, True)) == {FRAME, OCTAVES}
    assert np.isnan(melody_errors(torch.zeros(16000), pitch, True)[FRAME])


def test_rows_are_paired_by_utterance():
    draw = np.random.default_rng(0)
    base = [{STYLE: draw.integers(2, size=40).astype(float)} for _ in range(5)]
    (row,) = unseen_rows({"Base": base, "Expressive": [{STYLE: one[STYLE] + 0.2} for one in base]}, 0.25)
    assert row.key == "probe_style" and row.chance == 0.25 and row.seeds == 5 and len(row.by_seed["Base"]) == 5
    assert row.differences["Expressive"].low == pytest.approx(0.2) == row.differences["Expressive"].high


def test_centerd_melodies_of_two_voices_are_alike():
    low, high = (CenteredF0(Autocorrelation(f0_max=500))(hum(pitch, "glad", 1.5, 3)) for pitch in (110.0, 165.0))
    both = low.voiced & high.voiced
    assert both.float().mean() > 0.4 and low.frequency[both].log().mean().exp() == pytest.approx(150, rel=0.02)
    assert (low.frequency[both] / high.frequency[both]).log2().abs().median() < 0.02
