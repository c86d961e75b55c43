"""The official F0, pitch units and style units, of one chunk at a time."""

import shutil
from functools import cache

import numpy as np
import pytest
import torch
import yaml

from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, arrays
from zoo.audio import read
from zoo.interop.spiritlm import pitch as official_pitch
from zoo.interop.spiritlm.pitch import load_pitch
from zoo.interop.spiritlm.style import load_style
from zoo.speech.f0_normalization import network_input, voiced_mean
from zoo.speech.pitch_units import PitchUnits
from zoo.speech.style_units import StyleUnits

F0_TOLERANCE_HZ = 1e-2  # a second run of the release itself differs by 4e-4 Hz
LATENT_TOLERANCE = 1e-4  # of the largest latent
LOGIT_TOLERANCE = 1e-4

each_f0 = pytest.mark.parametrize("wav", EXPECTED.get("f0", {}))


@cache
def pitch_units() -> PitchUnits:
    return load_pitch(FIXTURES / "speech_tokenizer" / "vqvae_f0_quantizer")


@cache
def style_units() -> StyleUnits:
    return load_style(FIXTURES / "speech_tokenizer" / "style_encoder_w2v2")


@cache
def waveform(wav: str) -> torch.Tensor:
    return read(FIXTURES / "audio" / f"{wav}.wav")


def ambiguous(units: np.ndarray, case: dict) -> np.ndarray:
    """Which units the release itself decided by a hair."""
    return np.isin(np.arange(len(units)), case["ambiguous_frames"])


@each_f0
def test_f0(wav):
    case, track = EXPECTED["f0"][wav], pitch_units().f0(waveform(wav))
    assert len(track.frequency) == case["n"] == len(waveform(wav)) // 80 + 1
    assert np.abs(track.frequency.numpy() - arrays()[case["f0"]]).max() < F0_TOLERANCE_HZ
    assert (track.voiced.numpy() == arrays()[case["vuv"]]).all()


@pytest.mark.parametrize("wav", EXPECTED.get("pitch", {}))
def test_pitch_units(wav):
    case, pitch = EXPECTED["pitch"][wav], pitch_units()
    units = official_pitch.encode(pitch, waveform(wav))
    sure = ~ambiguous(units, case)
    assert len(units) == case["n"] and (units == case["units"])[sure].all()
    with torch.no_grad():
        track = pitch.f0(waveform(wav))
        latents = pitch.vqvae.encoder(
            network_input(track, voiced_mean(track) if pitch.normalize else torch.zeros(()))[None]
        )[0].numpy()
    wanted = arrays()[case["encoder_out"]]
    assert np.abs(latents - wanted).max() < LATENT_TOLERANCE * max(1.0, np.abs(wanted).max())


def test_pitch_of_silence_is_refused_only_where_the_release_is_asked():
    silence = torch.zeros(16000)
    with pytest.raises(ValueError, match="no frame of the waveform is voiced"):
        official_pitch.encode(pitch_units(), silence)
    assert len(pitch_units().encode(silence)) == 12


@pytest.mark.parametrize("wav", EXPECTED.get("style", {}))
def test_style_units(wav):
    case, style = EXPECTED["style"][wav], style_units()
    with torch.no_grad():
        features = style.encoder(waveform(wav)[None])
        logits = style.head(features, style.frames_per_unit)[0].numpy()
    assert features.shape[1] == case["frames_50hz"] and len(logits) == -(-case["frames_50hz"] // 50) == case["n"]
    assert np.abs(logits - arrays()[case["logits"]]).max() < LOGIT_TOLERANCE
    units = style.encode(waveform(wav))
    assert (units == case["units"])[~ambiguous(units, case)].all()


@pytest.mark.parametrize("load", [load_pitch, load_style])
def test_official_prosody_survives_saving(load, tmp_path):
    ours = {load_pitch: pitch_units, load_style: style_units}[load]()
    ours.save(tmp_path / "part")
    again = type(ours).load(tmp_path / "part")
    assert again.checksum() == ours.checksum() and again.stream == ours.stream
    for wav in EXPECTED["style"]:
        assert (again.encode(waveform(wav)) == ours.encode(waveform(wav))).all()


def test_official_pitch_units_come_back_as_a_contour():
    pitch = pitch_units()
    for wav in EXPECTED["pitch"]:
        units = pitch.encode(waveform(wav))
        track = pitch.decode(units, mean_hz=150.0)
        assert len(track.frequency) == pitch.vqvae.factor * len(units) and track.frequency.isfinite().all()


def broken(name: str, tmp_path, change) -> None:
    """A copy of an official folder whose tensors were changed."""
    folder = tmp_path / name
    shutil.copytree(FIXTURES / "speech_tokenizer" / name, folder, copy_function=shutil.copyfile)
    file = next(folder.glob("*model.*"))
    state = torch.load(file, weights_only=True)
    change(state.get("model", state))
    torch.save(state, file)


@pytest.mark.parametrize(
    "load, name, tensor",
    [
        (load_pitch, "vqvae_f0_quantizer", "encoder.level_blocks.0.model.0.0.weight"),
        (load_pitch, "vqvae_f0_quantizer", "vq.level_blocks.0.k"),
        (load_style, "style_encoder_w2v2", "classifier.bias"),
        (load_style, "style_encoder_w2v2", "wav2vec2.feature_projection.projection.weight"),
    ],
)
def test_a_missing_an_unknown_and_a_misshapen_tensor_are_refused(load, name, tensor, tmp_path):
    for number, (change, message) in enumerate(
        [
            (lambda t: t.pop(tensor), "no tensor"),
            (lambda t: t.update(extra=torch.zeros(1)), "unknown tensor extra"),
            (lambda t: t.update({tensor: t[tensor][:-1]}), "is of shape"),
        ]
    ):
        broken(name, tmp_path / str(number), change)
        with pytest.raises(ValueError, match=message):
            load(tmp_path / str(number) / name)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"features": "f0"}, "features is 'f0'; want one of"),
        ({"f0_extractor": "pyaapt"}, "f0_extractor is 'pyaapt'"),
        ({"features": None}, "no field 'features'"),
    ],
)
def test_a_pitch_config_that_is_not_known_is_refused_by_name(change, message, tmp_path):
    folder = FIXTURES / "speech_tokenizer" / "vqvae_f0_quantizer"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config = {name: value for name, value in (config | change).items() if value is not None}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    shutil.copyfile(folder / "model.pt", tmp_path / "model.pt")
    with pytest.raises(ValueError, match=message):
        load_pitch(tmp_path)


@pytest.mark.parametrize("load", [load_pitch, load_style])
def test_an_empty_folder_is_refused(load, tmp_path):
    with pytest.raises(FileNotFoundError, match="no config"):
        load(tmp_path)
