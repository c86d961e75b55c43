"""The official vocoders: waveforms and durations."""

import random
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, arrays, cases
from zoo.interop.spiritlm.vocoder import decode, load_vocoder, vocode
from zoo.vocoder import Vocoder

WAVEFORM_TOLERANCE = 1e-4


@cache
def vocoders() -> dict[str, Vocoder]:
    names = {"base": "hifigan_spiritlm_base", "expressive": "hifigan_spiritlm_expressive_w2v2"}
    return {model: load_vocoder(FIXTURES / "speech_tokenizer" / name) for model, name in names.items()}


def assert_waveform(waveform: torch.Tensor, case: dict[str, Any]) -> None:
    assert len(waveform) == case["n_samples"]
    difference = np.abs(waveform.numpy()[:: case["wav_stride"]] - arrays()[case["wav"]]).max()
    assert difference < WAVEFORM_TOLERANCE, difference


@pytest.mark.parametrize("case", cases("vocoder"))
def test_vocoder(case):
    if "error" in case:
        with pytest.raises(ValueError):
            vocode(vocoders()[case["model"]], **case["kwargs"])
    else:
        assert_waveform(vocode(vocoders()[case["model"]], **case["kwargs"]), case)


@pytest.mark.parametrize("case", cases("decode"))
def test_decode(case):
    rng = random.Random(case["python_random_seed"])
    if "error" in case:
        with pytest.raises(ValueError):
            decode(vocoders()[case["model"]], case["code"], rng=rng, **case["kwargs"])
    else:
        assert_waveform(decode(vocoders()[case["model"]], case["code"], rng=rng, **case["kwargs"]), case)


@pytest.mark.parametrize("name", [param.id for param in cases("durations")])
def test_durations(name):
    model, wav = name.split("/")
    case = EXPECTED["durations"][name]
    units = torch.tensor(
        [int(unit) for unit in EXPECTED["hubert"][wav]["units"].split()]
        if isinstance(EXPECTED["hubert"][wav]["units"], str)
        else EXPECTED["hubert"][wav]["units"]
    )
    vocoder = vocoders()[model]
    log = vocoder.durations(vocoder.generator.phonetic(units.unsqueeze(0)))[0].detach().numpy()
    assert np.abs(log - arrays()[case["log_dur"]].reshape(-1)).max() < 1e-4
    assert vocoder.predicted(units).tolist() == case["durations"]


@pytest.mark.parametrize("model", ["base", "expressive"])
def test_official_vocoder_survives_saving(model, tmp_path):
    vocoders()[model].save(tmp_path)
    units = {prefix: [1, 2, 3] for prefix in vocoders()[model].generator.streams}
    assert torch.equal(Vocoder.load(tmp_path)(units), vocoders()[model](units))


def test_an_official_folder_with_another_tensor_is_refused(tmp_path):
    folder = FIXTURES / "speech_tokenizer" / "hifigan_spiritlm_base"
    state = torch.load(folder / "generator.pt", weights_only=True)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    for change, message in (
        (lambda t: t.pop("conv_pre.bias"), "no tensor"),
        (lambda t: t.update(extra=torch.zeros(1)), "unknown tensor"),
    ):
        tensors = dict(state["generator"])
        change(tensors)
        torch.save({"generator": tensors}, tmp_path / "generator.pt")
        with pytest.raises(ValueError, match=message):
            load_vocoder(tmp_path)
