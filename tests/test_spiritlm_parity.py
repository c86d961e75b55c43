"""What the official release does, on fixtures that hold its outputs; skipped only where they are not at hand."""
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo.interop.spiritlm import strings
from zoo.interop.spiritlm.vocoder import decode, load_vocoder, vocode
from zoo.vocoder import Vocoder

FIXTURES = Path(os.environ.get("SPIRITLM_FIXTURES", Path(__file__).parents[2] / "shared" / "fixtures" / "spiritlm"))
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no fixtures at {FIXTURES} (set SPIRITLM_FIXTURES)")
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_text()) if FIXTURES.is_dir() else {}
WAVEFORM_TOLERANCE = 1e-4


def cases(*path: str) -> list:
    """One test parameter for each case of a list or dictionary in expected.json."""
    found: Any = EXPECTED
    for key in path:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    items = found.items() if isinstance(found, dict) else enumerate(found)
    return [pytest.param(case, id=str(case.get("case", key)) if isinstance(case, dict) else str(key)) for key, case in items]


@pytest.fixture(scope="session")
def arrays() -> Any:
    return np.load(FIXTURES / "expected.npz")


@pytest.fixture(scope="session")
def vocoders() -> dict[str, Vocoder]:
    names = {"base": "hifigan_spiritlm_base", "expressive": "hifigan_spiritlm_expressive_w2v2"}
    return {model: load_vocoder(FIXTURES / "speech_tokenizer" / name) for model, name in names.items()}


def assert_waveform(waveform: torch.Tensor, case: dict[str, Any], arrays: Any) -> None:
    assert len(waveform) == case["n_samples"]
    difference = np.abs(waveform.numpy()[::case["wav_stride"]] - arrays[case["wav"]]).max()
    assert difference < WAVEFORM_TOLERANCE, difference


@pytest.mark.parametrize("case", cases("vocoder"))
def test_vocoder(case, vocoders, arrays):
    if "error" in case:
        with pytest.raises(ValueError):
            vocode(vocoders[case["model"]], **case["kwargs"])
    else:
        assert_waveform(vocode(vocoders[case["model"]], **case["kwargs"]), case, arrays)


@pytest.mark.parametrize("case", cases("decode"))
def test_decode(case, vocoders, arrays):
    rng = random.Random(case["python_random_seed"])
    if "error" in case:
        with pytest.raises(ValueError):
            decode(vocoders[case["model"]], case["code"], rng=rng, **case["kwargs"])
    else:
        assert_waveform(decode(vocoders[case["model"]], case["code"], rng=rng, **case["kwargs"]), case, arrays)


@pytest.mark.parametrize("name", [param.id for param in cases("durations")])
def test_durations(name, vocoders, arrays):
    model, wav = name.split("/")
    case = EXPECTED["durations"][name]
    units = torch.tensor([int(unit) for unit in EXPECTED["hubert"][wav]["units"].split()]
                         if isinstance(EXPECTED["hubert"][wav]["units"], str) else EXPECTED["hubert"][wav]["units"])
    vocoder = vocoders[model]
    log = vocoder.durations(vocoder.generator.phonetic(units.unsqueeze(0)))[0].detach().numpy()
    assert np.abs(log - arrays[case["log_dur"]].reshape(-1)).max() < 1e-4
    assert vocoder.predicted(units).tolist() == case["durations"]


@pytest.mark.parametrize("model", ["base", "expressive"])
def test_official_vocoder_survives_saving(model, vocoders, tmp_path):
    vocoders[model].save(tmp_path)
    units = {prefix: [1, 2, 3] for prefix in vocoders[model].generator.streams}
    assert torch.equal(Vocoder.load(tmp_path)(units), vocoders[model](units))


def test_an_official_folder_with_another_tensor_is_refused(tmp_path):
    folder = FIXTURES / "speech_tokenizer" / "hifigan_spiritlm_base"
    state = torch.load(folder / "generator.pt", weights_only=True)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    for change, message in ((lambda t: t.pop("conv_pre.bias"), "no tensor"), (lambda t: t.update(extra=torch.zeros(1)), "unknown tensor")):
        tensors = dict(state["generator"])
        change(tensors)
        torch.save({"generator": tensors}, tmp_path / "generator.pt")
        with pytest.raises(ValueError, match=message):
            load_vocoder(tmp_path)


@pytest.mark.parametrize("case", cases("units_to_string"))
def test_units_to_string(case):
    if "error" in case:
        with pytest.raises(ValueError):
            strings.units_to_string(case["units"], **case["kwargs"])
    else:
        assert strings.units_to_string(case["units"], **case["kwargs"]) == case["out"]


@pytest.mark.parametrize("case", cases("string_to_units"))
def test_string_to_units(case):
    arguments = case["string"], case["duplicate_hubert_for_multiple_pitch"]
    if "error" in case:
        with pytest.raises(ValueError):
            strings.string_to_units(*arguments)
    elif "out_any_of" in case:
        assert strings.string_to_units(*arguments) in case["out_any_of"]
    else:
        assert strings.string_to_units(*arguments) == case["out"]


@pytest.mark.parametrize("name", ["does_start_with_speech_token", "does_end_with_speech_token", "find_prompt_last_speech_start_position"])
def test_speech_tokens_in_strings(name):
    for case in EXPECTED[name]:
        assert getattr(strings, name)(case["string"]) == case["out"], case["string"]


@pytest.mark.parametrize("case", cases("parse_speech_and_text"))
def test_parse_speech_and_text(case):
    assert [list(piece) for piece in strings.parse_speech_and_text(case["string"])] == case["out"]
