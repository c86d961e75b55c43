"""Model folders of strangers: no code of the hub, and no regular expression that never ends."""

import json
import time

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from tests.toy_tokens import words_vocabulary
from zoo.language.networks import from_checkpoint, random_like
from zoo.model_folders import check_adapter, check_model
from zoo.speech.encoders import HubertEncoder
from zoo.speech.style_encoders import TransformerStyleEncoder

VOCABULARY = words_vocabulary()
LOADERS = {
    "language model": lambda folder: from_checkpoint(str(folder), VOCABULARY),
    "random weights": lambda folder: random_like(str(folder), VOCABULARY),
    "speech encoder": lambda folder: HubertEncoder(str(folder), layer=1),
    "style encoder": lambda folder: TransformerStyleEncoder.from_pretrained(str(folder)),
}


@pytest.fixture
def model(tmp_path):
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edited(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return folder


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize(
    "values",
    [
        {"attn_implementation": "owner/kernel"},
        {"_attn_implementation": "owner/kernel@main:forward"},
        {"_attn_implementation": {"": "owner/kernel"}},
        {"_experts_implementation": "owner/kernel"},
        {"use_kernels": True},
        {"text_config": {"attn_implementation": "owner/kernel"}},
    ],
)
def test_code_of_the_hub_is_refused_before_a_model_is_loaded(name, values, model):
    with pytest.raises(ValueError, match="config.json: .* would load code from the Hugging Face hub; remove the key"):
        LOADERS[name](edited(model, **values))


def test_implementations_of_transformers_itself_are_accepted(model):
    check_model(edited(model, _attn_implementation="sdpa", use_kernels=False))
    check_model(model / "elsewhere")


def adapter(folder, **values):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({"peft_type": "LORA", "r": 4} | values))
    return path


@pytest.mark.parametrize(
    "values",
    [
        {"target_modules": "(a+)+$"},
        {"target_modules": "(.*)*x"},
        {"target_modules": "(a|a)*b"},
        {"target_modules": ".*.*.*.*.*x"},
        {"target_modules": r"(\w+){10,}z"},
        {"target_modules": r"(.*)\1\1\1b"},
        {"target_modules": "a" * 501},
        {"target_modules": "(unclosed"},
        {"exclude_modules": "(a+)+$"},
        {"modules_to_save": ["lm_head", "(a+)+$"]},
        {"rank_pattern": {"(a+)+$": 4}},
        {"layers_pattern": ["(a+)+$"]},
    ],
)
def test_expressions_whose_search_may_never_end_are_refused_at_once(values, tmp_path):
    started = time.perf_counter()
    with pytest.raises(ValueError, match="adapter_config.json: .*list the names of the modules instead"):
        check_adapter(adapter(tmp_path, **values))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "targets",
    [
        ["q_proj", "v_proj"],
        "all-linear",
        r".*\.(q_proj|v_proj)",
        r"^model\.layers\.\d+\.self_attn\.(q|k|v|o)_proj$",
        r"^(?!.*vision).*(?:q_proj|v_proj)$",
    ],
)
def test_expressions_as_published_adapters_have_them_are_accepted(targets, tmp_path):
    check_adapter(adapter(tmp_path, target_modules=targets))


def test_configurations_that_are_none_are_one_line(tmp_path):
    for content in ("[]", "[" * 100_000, "no JSON"):
        (tmp_path / "adapter_config.json").write_text(content)
        with pytest.raises(ValueError, match="adapter_config.json"):
            check_adapter(tmp_path / "adapter_config.json")
