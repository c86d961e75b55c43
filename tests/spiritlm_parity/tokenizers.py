"""The whole official tokenizers, as they are called there, and as the zoo keeps them."""

import atexit
import itertools
import pickle
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recipes.commands import cli
from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, cases, waveform
from zoo.interop.spiritlm.release import import_release
from zoo.interop.spiritlm.strings import KEYS
from zoo.interop.spiritlm.tokenizer import (
    convert_to_wav_tensor,
    encode_string,
    encode_units,
    load_base,
    load_expressive,
)
from zoo.language.generation import Sampling
from zoo.language.speech_text_model import SpeechTextModel
from zoo.tokenizers.speech_tokenizer import UnitTokenizer, load_tokenizer
from zoo.tokens.contract import ContractError, read_contract, require_match
from zoo.tokens.vocabulary import Vocabulary

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
MORE = [
    (model, name)
    for model in LOADERS
    for name, case in EXPECTED.get("encode_more", {}).get(model, {}).items()
    if isinstance(case, dict)
]


@cache
def tokenizer(model: str) -> UnitTokenizer:
    return LOADERS[model](FIXTURES)


def given(name: str) -> tuple[Any, int | None]:
    """What was given to the official tokenizer: a slice such as ``short[:1280]``, or one of those above."""
    if name.endswith("]"):
        wav, samples = name[:-1].split("[:")
        return waveform(wav)[: int(samples)], None
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
    assert {KEYS[prefix]: " ".join(map(str, row)) for prefix, row in units.items()} == EXPECTED["encode_units"][model][
        wav
    ]
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


@pytest.mark.parametrize("model", LOADERS)
def test_what_is_too_short_is_no_units_in_the_zoo(model):
    for samples in (waveform("toosmall"), torch.zeros(0), torch.zeros(719)):
        assert (
            not any(len(row) for row in tokenizer(model).encode(samples).values())
            and str(tokenizer(model).tokens(samples)) == ""
        )
    batch = tokenizer(model).encode_batch([waveform("toosmall"), waveform("short")])
    assert [len(row) for row in batch[0].values()] == [0] * len(batch[0])
    assert {KEYS[prefix]: " ".join(map(str, row)) for prefix, row in batch[1].items()} == EXPECTED["encode_units"][
        model
    ]["short"]


def test_silence_which_the_release_refuses_is_units_in_the_zoo():
    units = tokenizer("expressive").encode(torch.zeros(16000))
    assert list(units) == ["Hu", "Pi", "St"] and all(len(row) for row in units.values())


@pytest.mark.parametrize("model", LOADERS)
def test_a_saved_official_tokenizer_gives_the_same_units(model, tmp_path):
    tokenizer(model).save(tmp_path / "t")
    again = load_tokenizer(tmp_path / "t")
    assert type(again) is type(tokenizer(model)) and again.contract == tokenizer(model).contract
    for wav in EXPECTED["encode_string"][model]:
        assert str(again.tokens(waveform(wav))) == EXPECTED["encode_string"][model][wav]


def test_convert_to_wav_tensor():
    expected, stereo = EXPECTED["convert_to_wav_tensor"], FIXTURES / "audio" / "stereo22k.wav"
    found = {
        "str": str(stereo),
        "Path": stereo,
        "bytes": stereo.read_bytes(),
        "mono file": FIXTURES / "audio" / "chirp.wav",
        "numpy(1,T)": np.zeros((1, 50), dtype=np.float32),
        "tensor(1,1,T)": torch.zeros(1, 1, 50),
    }
    assert {name: list(convert_to_wav_tensor(speech).shape) for name, speech in found.items()} == {
        name: expected[name] for name in found
    }
    assert (
        torch.equal(convert_to_wav_tensor(found["bytes"]), convert_to_wav_tensor(found["str"]))
        == expected["bytes_equal_str"]
    )
    assert str(convert_to_wav_tensor(np.zeros(50)).dtype) == expected["numpy float64 dtype"]


def test_golden_counts_of_the_raw_streams():
    """228, 114 and 10 raw units of the golden clip. Its 167 and 259 tokens are of the real weights; here they are random."""
    units = encode_units(tokenizer("expressive"), waveform("speech"))
    counts = [len(units[key].split()) for key in ("hubert", "pitch", "style")]
    assert counts == [
        len(EXPECTED["encode_units"]["expressive"]["speech"][key].split()) for key in ("hubert", "pitch", "style")
    ]
    if [stream.rate for stream in tokenizer("expressive").streams] == [25.0, 12.5, 1.0]:
        assert counts == [228, 114, 10]


@cache
def imported() -> Path:
    """The whole release as folders of the zoo."""
    out = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    cli.main(["import", "spiritlm", str(FIXTURES), "--out", str(out)])
    return out


@pytest.mark.parametrize("model", LOADERS)
def test_an_imported_tokenizer_gives_the_units_of_the_official_one(model):
    tokenizer = load_tokenizer(imported() / model / "tokenizer" / "tokenizer")
    for wav, string in EXPECTED["encode_string"][model].items():
        assert str(tokenizer.tokens(waveform(wav))) == string
        assert {
            KEYS[prefix]: " ".join(map(str, row)) for prefix, row in tokenizer.encode(waveform(wav)).items()
        } == EXPECTED["encode_units"][model][wav]


@pytest.mark.parametrize("model", LOADERS)
def test_what_is_imported_together_belongs_together_and_to_nothing_else(model):
    parts = {
        name: imported() / model / name.split("/")[0] / name.split("/")[1]
        for name in ("tokenizer/tokenizer", "vocoder/vocoder", "vocabulary/vocabulary", "language_model/model")
    }
    for first, second in itertools.combinations(parts.values(), 2):
        require_match(first, second)
    other = imported() / ("expressive" if model == "base" else "base") / "tokenizer" / "tokenizer"
    for folder in parts.values():
        with pytest.raises(ContractError):
            require_match(folder, other)
    assert not [path for path in (imported() / model).rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".part")]


@pytest.mark.parametrize("model", LOADERS)
def test_an_imported_model_is_a_run_that_encodes_and_synthesizes_speech(model):
    run = SpeechTextModel.load(imported() / model)
    answer = run.generate([waveform("chirp"), "and then"], to="text", sampling=Sampling(5, temperature=0.0))
    assert all(isinstance(piece, str) for piece in answer.segments)
    waveform_of_units = run.vocoder(run.tokenizer.tokens(waveform("chirp")), speaker=2)
    assert (
        len(waveform_of_units) >= 640 * len(run.tokenizer.tokens(waveform("chirp")).of("Hu"))
        and waveform_of_units.abs().max() > 0
    )


def test_the_expressive_model_has_the_phonetic_units_of_the_base():
    base, expressive = (read_contract(imported() / model / "tokenizer" / "tokenizer")["tokenizer"] for model in LOADERS)
    assert expressive["parts"]["Hu"] == base["checksum"] and expressive["streams"][0] == base["streams"][0]


@pytest.mark.parametrize("model, size, rows", [("base", 32503, 32512), ("expressive", 32667, 32768)])
def test_ids_of_units_are_the_official_ones(model, size, rows):
    vocabulary, pieces = (
        Vocabulary.load(imported() / model / "vocabulary" / "vocabulary"),
        EXPECTED["tokenizer"][model]["pieces"],
    )
    assert (len(vocabulary), vocabulary.num_rows) == (size, rows) == (EXPECTED["tokenizer"][model]["len"], rows)
    numbered = {id: piece for id, piece in pieces.items() if piece[1:3] in ("Hu", "Pi", "St") and piece.startswith("[")}
    assert len(numbered) >= 2
    for id, piece in numbered.items():
        assert vocabulary.speech_ids(tokenizer(model).parse(piece)).tolist() == [int(id)]
    assert pieces[str(vocabulary.text_marker)] == "[Text]" and pieces[str(vocabulary.speech_marker)] == "[Speech]"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04", pickle.dumps({"model": [1]})], ids=["empty", "text", "cut off", "other"]
)
@pytest.mark.parametrize(
    "broken",
    [
        "hubert_25hz/mhubert_base_25hz.pt",
        "vqvae_f0_quantizer/model.pt",
        "style_encoder_w2v2/pytorch_model.bin",
        "hifigan_spiritlm_expressive_w2v2/generator.pt",
    ],
)
def test_a_broken_file_is_an_error_of_one_line_that_names_it(broken, content, tmp_path):
    parts = tmp_path / "speech_tokenizer"
    shutil.copytree(FIXTURES / "speech_tokenizer", parts)
    (parts / broken).write_bytes(content)
    with pytest.raises(ValueError) as error:
        for _ in import_release(tmp_path, tmp_path / "zoo"):
            pass
    assert str(parts / broken) in str(error.value) and "\n" not in str(error.value)
