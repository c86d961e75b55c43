"""The whole official tokenizers, as they are called there, and as the zoo keeps them."""
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, cases, waveform
from zoo.interop.spiritlm.strings import KEYS
from zoo.interop.spiritlm.tokenizer import convert_to_wav_tensor, encode_string, encode_units, load_base, load_expressive
from zoo.tokens.tokenizers import UnitTokenizer, load_tokenizer

LOADERS = {"base": load_base, "expressive": load_expressive}
GIVEN = {
    "stereo22k file (channels averaged, resampled)": lambda: (FIXTURES / "audio" / "stereo22k.wav", None),
    "stereo22k channel_id=0": lambda: (FIXTURES / "audio" / "stereo22k.wav", 0),
    "toosmall file (1279 samples)": lambda: (FIXTURES / "audio" / "toosmall.wav", None),
    "empty tensor": lambda: (torch.zeros(0), None),
    "zeros(16000)": lambda: (torch.zeros(16000), None),
    "three channels": lambda: (torch.zeros(3, 16000), None),
    "chirp as (1,1,T)": lambda: (waveform("chirp")[None, None], None),
    "numpy chirp": lambda: (waveform("chirp").numpy(), None),
}
PAIRS = [(model, wav) for model in LOADERS for wav in EXPECTED.get("encode_units", {}).get(model, {})]
MORE = [(model, name) for model in LOADERS for name, case in EXPECTED.get("encode_more", {}).get(model, {}).items() if isinstance(case, dict)]


@cache
def tokenizer(model: str) -> UnitTokenizer:
    return LOADERS[model](FIXTURES)


def given(name: str) -> tuple[Any, int | None]:
    """What was given to the official tokenizer: a slice such as ``short[:1280]``, or one of those above."""
    if name.endswith("]"):
        wav, samples = name[:-1].split("[:")
        return waveform(wav)[:int(samples)], None
    return GIVEN[name]()


def without_path(units: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in units.items() if key != "audio"}


@pytest.mark.parametrize("model, wav", PAIRS)
def test_encode_units_and_string(model, wav):
    path = FIXTURES / "audio" / f"{wav}.wav"
    units = encode_units(tokenizer(model), path)
    assert list(units)[0] == "audio" and Path(units["audio"]).is_absolute() and Path(units["audio"]).samefile(path)
    assert without_path(units) == EXPECTED["encode_units"][model][wav] == encode_units(tokenizer(model), waveform(wav))
    assert encode_string(tokenizer(model), path) == EXPECTED["encode_string"][model][wav]


@pytest.mark.parametrize("model, wav", PAIRS)
def test_the_tokenizer_of_the_zoo_gives_the_same(model, wav):
    units = tokenizer(model).encode(waveform(wav))
    assert {KEYS[prefix]: " ".join(map(str, row)) for prefix, row in units.items()} == EXPECTED["encode_units"][model][wav]
    assert str(tokenizer(model).tokens(waveform(wav))) == EXPECTED["encode_string"][model][wav]


@pytest.mark.parametrize("model, name", MORE)
def test_encode_more(model, name):
    case, (speech, channel) = EXPECTED["encode_more"][model][name], given(name)
    if "error" in case:
        with pytest.raises(ValueError):
            encode_units(tokenizer(model), speech, channel)
        with pytest.raises(ValueError):
            encode_string(tokenizer(model), speech, channel)
    else:
        assert without_path(encode_units(tokenizer(model), speech, channel)) == case["out"]["units"]
        assert encode_string(tokenizer(model), speech, channel) == case["out"]["string"]


@pytest.mark.parametrize("model", LOADERS)
@pytest.mark.parametrize("case", cases("chunking"))
def test_chunking(case, model):
    arguments = tokenizer(model), waveform(case["input"]), None, case["max_wav_chunk"], case["min_wav_chunk"]
    if "error" in case[model]:
        with pytest.raises(ValueError, match="voiced"):
            encode_units(*arguments)
    else:
        assert encode_units(*arguments) == case[model]["out"]


def test_silence_which_the_release_refuses_is_units_in_the_zoo():
    units = tokenizer("expressive").encode(torch.zeros(16000))
    assert {prefix: len(row) for prefix, row in units.items()} == {"Hu": 24, "Pi": 12, "St": 1}


@pytest.mark.parametrize("model", LOADERS)
def test_a_saved_official_tokenizer_hears_the_same(model, tmp_path):
    tokenizer(model).save(tmp_path / "t")
    again = load_tokenizer(tmp_path / "t")
    assert type(again) is type(tokenizer(model)) and again.contract == tokenizer(model).contract
    for wav in EXPECTED["encode_string"][model]:
        assert str(again.tokens(waveform(wav))) == EXPECTED["encode_string"][model][wav]


def test_convert_to_wav_tensor():
    expected, stereo = EXPECTED["convert_to_wav_tensor"], FIXTURES / "audio" / "stereo22k.wav"
    found = {"str": str(stereo), "Path": stereo, "bytes": stereo.read_bytes(), "mono file": FIXTURES / "audio" / "chirp.wav",
             "numpy(1,T)": np.zeros((1, 50), dtype=np.float32), "tensor(1,1,T)": torch.zeros(1, 1, 50)}
    assert {name: list(convert_to_wav_tensor(speech).shape) for name, speech in found.items()} == {name: expected[name] for name in found}
    assert torch.equal(convert_to_wav_tensor(found["bytes"]), convert_to_wav_tensor(found["str"])) == expected["bytes_equal_str"]
    assert str(convert_to_wav_tensor(np.zeros(50)).dtype) == expected["numpy float64 dtype"]


def test_golden_counts_of_the_raw_streams():
    """228, 114 and 10 raw units of the golden clip. Its 167 and 259 tokens are of the real weights; here they are random."""
    units = encode_units(tokenizer("expressive"), waveform("speech"))
    assert [len(units[key].split()) for key in ("hubert", "pitch", "style")] == [228, 114, 10]
