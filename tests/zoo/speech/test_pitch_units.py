import json

import numpy as np
import pytest
import torch

from tests.zoo.speech.test_f0 import RATE, voice
from zoo.speech.f0 import F0Track
from zoo.speech.f0_autocorrelation import Autocorrelation
from zoo.speech.f0_fcpe import FCPE
from zoo.speech.f0_normalization import network_input, track_from_output, voiced_mean
from zoo.speech.pitch_networks import PitchDecoder, PitchEncoder
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.pitch_vqvae import PitchVQVAE
from zoo.speech.vector_quantizer import EMACodebook


def pitch_units(f0=None, normalize: bool = True) -> PitchUnits:
    torch.manual_seed(0)
    sizes = {"dim": 8, "width": 8, "depth": 2}
    return PitchUnits(
        f0 or Autocorrelation(),
        PitchVQVAE(PitchEncoder(**sizes), EMACodebook(16, 8), PitchDecoder(**sizes), 30.0),
        normalize,
    )


def gliding_voice(seconds: float = 2.0) -> torch.Tensor:
    time = np.arange(int(seconds * RATE)) / RATE
    return voice(np.where(time % 0.7 < 0.5, 150 + 40 * np.sin(5 * time), 0))


def test_units_come_at_12_5_a_second_of_whole_blocks_of_16_frames():
    pitch = pitch_units()
    assert (pitch.stream.prefix, pitch.stream.size, pitch.stream.rate, pitch.stream.dedup) == ("Pi", 16, 12.5, True)
    for samples in (1280, 2559, 2560, 16000, 146160):
        assert len(pitch.encode(gliding_voice(10)[:samples])) == (samples // 80 + 1) // 16
    with pytest.raises(ValueError, match="1279 samples are too few for Pi units: want 1280"):
        pitch.encode(torch.zeros(1279))


def test_normalized_units_do_not_depend_on_the_mean():
    voiced = torch.arange(96) % 20 < 14
    track = F0Track(150 + 40 * torch.sin(torch.arange(96) / 9), voiced)
    higher = F0Track(track.frequency + 70, voiced)
    assert torch.equal(pitch_units().encode_track(track), pitch_units().encode_track(higher))
    assert not torch.equal(
        pitch_units(normalize=False).encode_track(track), pitch_units(normalize=False).encode_track(higher)
    )


def test_the_mean_is_that_of_voiced_frames_and_zeros_stay_zero():
    track = F0Track(torch.tensor([0.0, 100.0, 150.0, 200.0]), torch.tensor([False, True, False, True]))
    assert voiced_mean(track) == 150
    assert network_input(track, voiced_mean(track)).tolist() == [[0, -50, 0, 50], [0, 1, 0, 1]]
    back = track_from_output(network_input(track, voiced_mean(track)), 150.0)
    assert back.frequency[1:].tolist() == [100, 150, 200] and torch.equal(back.voiced, track.voiced)


def test_silence_has_units():
    units = pitch_units().encode(torch.zeros(RATE))
    assert len(units) == 12 and units.dtype == np.int64


def test_units_decode_to_a_contour_around_the_given_mean():
    pitch = pitch_units()
    units = pitch.encode(gliding_voice())
    low, high = pitch.decode(units, 120.0), pitch.decode(units, 220.0)
    assert len(low.frequency) == 16 * len(units)
    assert torch.allclose(high.frequency - low.frequency, torch.full_like(low.frequency, 100.0)) and torch.equal(
        low.voiced, high.voiced
    )


@pytest.mark.parametrize("f0", [FCPE(), Autocorrelation(f0_max=450)])
def test_saved_extractor_gives_the_same_units(f0, tmp_path):
    pitch = pitch_units(f0)
    pitch.save(tmp_path / "pitch")
    reloaded = PitchUnits.load(tmp_path / "pitch")
    assert (reloaded.encode(gliding_voice()) == pitch.encode(gliding_voice())).all()
    assert reloaded.checksum() == pitch.checksum() != pitch_units(f0, normalize=False).checksum()
    assert sorted(path.name for path in (tmp_path / "pitch").iterdir()) == ["pitch.json", "vqvae.safetensors"]


def test_folder_without_pitch_units_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no pitch.json in"):
        PitchUnits.load(tmp_path)
    pitch_units().save(tmp_path / "pitch")
    config = json.loads((tmp_path / "pitch" / "pitch.json").read_text())
    config["f0"]["class"] = "Yin"
    (tmp_path / "pitch" / "pitch.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="unknown F0 extractor 'Yin'; known are FCPE, Autocorrelation"):
        PitchUnits.load(tmp_path / "pitch")
