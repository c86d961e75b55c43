"""The official language models: prompts, forbidden ids, tokenizer, greedy generation, and what is made of it."""

import random
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.spiritlm_parity.fixtures import EXPECTED, FIXTURES, arrays, cases, waveform
from tests.spiritlm_parity.vocoder import WAVEFORM_TOLERANCE, vocoders
from zoo.interop.spiritlm.language_model import NAMES, SpiritLM, import_language_model
from zoo.interop.spiritlm.outputs import decode_generated
from zoo.interop.spiritlm.prompts import forbidden_for, forbidden_ids
from zoo.interop.spiritlm.strings import STREAMS
from zoo.interop.spiritlm.tokenizer import encode_string, load_base, load_expressive
from zoo.language.speech_text_model import load_language_model
from zoo.tokenizers.speech_tokenizer import UnitTokenizer
from zoo.tokens.merged_streams import parse

MODELS = dict(zip(("base", "expressive"), NAMES, strict=True))
WAV_STRIDE = 8


@cache
def encode_slice(model: str, speech: str) -> str:
    """Return the string of units of ``wav:NAME:FIRST:LAST`` by the official speech tokenizer."""
    _, name, first, last = speech.split(":")
    return encode_string(tokenizers(model), waveform(name)[int(first) : int(last)])


@cache
def tokenizers(model: str) -> UnitTokenizer:
    return {"base": load_base, "expressive": load_expressive}[model](FIXTURES)


@cache
def models(dtype: torch.dtype = torch.float32) -> dict[str, SpiritLM]:
    return {
        model: SpiritLM.load(FIXTURES / "spiritlm_model" / name, vocoders()[model], partial(encode_slice, model), dtype)
        for model, name in MODELS.items()
    }


def by_model(key: str) -> list:
    return [
        pytest.param(model, case.values[0], id=f"{model}/{case.id}") for model in MODELS for case in cases(key, model)
    ]


def ranges(ids: list[int]) -> list[list[int]]:
    """Half-open ranges of a list of ids without duplicates."""
    assert len(ids) == len(set(ids))
    ranges_of_ids: list[list[int]] = []
    for token_id in sorted(ids):
        if ranges_of_ids and ranges_of_ids[-1][1] == token_id:
            ranges_of_ids[-1][1] += 1
        else:
            ranges_of_ids.append([token_id, token_id + 1])
    return ranges_of_ids


def assert_outputs(outputs: list, case: dict[str, Any]) -> None:
    want = case.get("outputs", case.get("out"))
    assert [output.kind for output in outputs] == [segment["type"] for segment in want]
    for output, segment in zip(outputs, want, strict=True):
        if output.kind == "TEXT":
            assert output.content == segment["content"]
        else:
            assert len(output.content) == segment["n_samples"]
            assert (
                np.abs(output.content.numpy()[::WAV_STRIDE] - arrays()[segment["wav_every_8th"]]).max()
                < WAVEFORM_TOLERANCE
            )


@pytest.mark.parametrize("case", cases("prompts"))
def test_prompts(case):
    inputs = [tuple(item) for item in case["inputs"]]
    if "error" in case:
        with pytest.raises(ValueError):
            models()[case["model"]].prompt(inputs, case["output_modality"])
    else:
        assert models()[case["model"]].prompt(inputs, case["output_modality"]) == case["out"]


@pytest.mark.parametrize("model", MODELS)
def test_forbidden_tokens(model):
    for to, want in EXPECTED["forbidden_tokens"][model].items():
        assert ranges(forbidden_for(models()[model].text, to)) == want["half_open_ranges"]


@pytest.mark.parametrize("case", cases("get_forbidden_tokens"))
def test_get_forbidden_tokens(case):
    given, text = case["kwargs"], models()["expressive"].text
    arguments = (
        text,
        given["ban_special_tokens"],
        given["generate_only_speech"],
        given["generate_only_text"],
        given["ban_expressivity_tokens"],
    )
    if "error" in case:
        with pytest.raises(ValueError):
            forbidden_ids(*arguments)
    else:
        assert ranges(forbidden_ids(*arguments)) == case["out"]["half_open_ranges"]


@pytest.mark.parametrize("model", MODELS)
def test_tokenizer(model):
    want, text = EXPECTED["tokenizer"][model], models()[model].text
    assert text.pieces.get_piece_size() == want["len"]
    assert {number: text.pieces.id_to_piece(int(number)) for number in want["pieces"]} == want["pieces"]
    for case in want["cases"]:
        assert text.encode_string(case["text"]) == case["ids"], case["text"]
        assert text.decode_string(case["ids"]) == case["decoded"], case["text"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("model", MODELS)
def test_logits(model, dtype):
    want, lm = EXPECTED["lm_logits"][model], models(dtype)[model]
    with torch.inference_mode():
        logits = lm.network(torch.tensor([lm.text.encode_string(want["prompt"])])).logits[0].float().numpy()
    found = logits[..., want["ids"]]
    name, tolerance = (want["fp32"], 1e-5) if dtype == torch.float32 else (want["bf16"], 2e-2)
    recorded_logits = arrays()[name].astype(np.float32)
    assert (
        np.abs(found.reshape(-1)[-recorded_logits.size :] - recorded_logits.reshape(-1)).max()
        < tolerance * np.abs(recorded_logits).max()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("model, case", by_model("generate"))
def test_generated_ids(model, case, dtype):
    lm = models(dtype)[model]
    ids = lm.text.encode_string(case["prompt"])
    assert ids == case["prompt_ids"]
    new = lm.continue_ids(
        ids,
        case["output_modality"],
        {"max_new_tokens": case["max_new_tokens"]},
        case["force_tokens_to_output_modality"],
    )
    assert new == case["new_ids" if dtype == torch.bfloat16 else "new_ids_float32"]
    assert lm.text.decode_string(ids + new) == case["decoded_without_special"]


@pytest.mark.parametrize("model, case", by_model("generate"))
def test_generate(model, case):
    def generate() -> list:
        return models()[model].generate(
            case["inputs"] and [tuple(item) for item in case["inputs"]],
            case["output_modality"],
            case["prompt_argument"],
            {"max_new_tokens": case["max_new_tokens"]},
            case["speaker_id"],
            case["force_tokens_to_output_modality"],
            random.Random(case["python_random_seed"]),
        )

    if "error" in case:
        with pytest.raises(ValueError):
            generate()
    else:
        assert_outputs(generate(), case)


@pytest.mark.parametrize("case", cases("decode_generated"))
def test_decode_generated(case):
    arguments = (
        vocoders()[case["model"]],
        case["prompt"],
        case["generated_content"],
        case["output_modality"],
        None,
        random.Random(case["python_random_seed"]),
    )
    if "error" in case:
        with pytest.raises(ValueError):
            decode_generated(*arguments)
    else:
        assert_outputs(decode_generated(*arguments), case)


def test_misc_errors(monkeypatch):
    lm = models()["base"]
    monkeypatch.setenv("SPIRITLM_CHECKPOINTS_DIR", str(FIXTURES))
    mistakes = {
        "unknown modality string": lambda: lm.prompt([], "AUDIO"),
        "generation kwargs unknown": lambda: lm.generate([("text", "a")], "TEXT", options={"not_an_option": 1}),
        "no input": lambda: lm.generate(None, "TEXT"),
        "bad item": lambda: lm.prompt(["a"], "TEXT"),
        "only speech and only text": lambda: forbidden_ids(lm.text, only_speech=True, only_text=True),
        "unknown model name": lambda: SpiritLM.load("spirit-lm-nano"),
    }
    for name in EXPECTED["misc_errors"].keys() & mistakes.keys():
        with pytest.raises(ValueError):
            mistakes[name]()
    assert lm.prompt([("text", "a")], "text") == "[Text]a"
    assert SpiritLM.load(NAMES[0]).text.checksum == lm.text.checksum
    with pytest.raises(ValueError, match="no speech tokenizer"):
        SpiritLM(lm.network, lm.text).prompt([("speech", "a.wav")], "TEXT")
    with pytest.raises(ValueError, match="no vocoder"):
        SpiritLM(lm.network, lm.text).generate([("text", "a")], "SPEECH")


@pytest.mark.parametrize("model", MODELS)
def test_imported_language_model_is_the_same_in_the_zoo(model, tmp_path):
    lm, streams = models()[model], STREAMS[:1] if model == "base" else STREAMS
    contract = {"tokenizer": {"streams": [vars(stream) for stream in streams], "checksum": "any"}}
    import_language_model(FIXTURES / "spiritlm_model" / MODELS[model], tmp_path / "model", contract, torch.float32)
    network, vocabulary = load_language_model(tmp_path / "model")
    assert len(vocabulary) == lm.text.pieces.get_piece_size() and vocabulary.num_rows == network.config.vocab_size
    for text in ("[Speech][Hu7][Hu500]", "[Text][Speech]"):
        assert lm.text.encode_string(text)[-2:] == (
            vocabulary.speech_ids(parse(text[8:], vocabulary.streams)).tolist()
            if "Hu" in text
            else [vocabulary.text_marker, vocabulary.speech_marker]
        )
    ids = torch.tensor([lm.text.encode_string("[Text]The largest country[Speech][Hu1]")])
    with torch.inference_mode():
        assert torch.equal(network(ids).logits, lm.network(ids).logits)
    assert vocabulary.text.decode(vocabulary.text.encode("he said [Hu1] </s> twice")) == "he said [Hu1] </s> twice"
    assert max(vocabulary.text.encode("he said [Hu1] </s> [Text] [Speech]")) < vocabulary.num_text
