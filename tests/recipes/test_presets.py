"""Recipes with the settings of other speech-text language models: built on the meta device, with every number checked."""

import pytest
import torch
from omegaconf import OmegaConf
from transformers import AutoConfig, GlmConfig, Qwen2Config

from recipes.engine.builder import Builder
from recipes.engine.recipe import load
from tests.toy_tokens import words_vocabulary

# Hidden size, layers, heads, key and value heads, feed-forward size, rows, tied; and the weights without the rows.
QWEN_05B = (896, 24, 14, 2, 4864, True)
QWEN_7B = (3584, 28, 28, 4, 18944, False)
VOCABULARY = words_vocabulary()


def qwen(hidden_size, num_layers, num_heads, num_key_value_heads, intermediate_size, tied):
    return Qwen2Config(
        vocab_size=VOCABULARY.num_text,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_key_value_heads,
        intermediate_size=intermediate_size,
        max_position_embeddings=32768,
        tie_word_embeddings=tied,
    )


# By preset: configuration of its checkpoint, weights of it but for embedding and head, matrices of rows, and width.
PRESETS = {
    "slam": (qwen(*QWEN_05B), 357_898_112, 1, 896),
    "sims": (qwen(*QWEN_7B), 6_525_621_760, 2, 3584),
    "glm4_voice": (GlmConfig(vocab_size=VOCABULARY.num_text, pad_token_id=None), 8_158_437_376, 2, 4096),
}
STEP_TOKENS = {"slam": 1024 * 8 * 16, "sims": 2**19, "glm4_voice": 2**22}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    VOCABULARY.save(folder / "vocabulary" / "vocabulary")
    return folder


@pytest.mark.parametrize("name", PRESETS)
def test_the_network_is_that_of_the_checkpoint_with_rows_for_units(run, name):
    config, num_inner, num_matrices, width = PRESETS[name]
    config.save_pretrained(run / name)
    assert AutoConfig.from_pretrained(run / name).model_type == config.model_type
    recipe = load(f"presets/{name}", [f"run={run}", f"checkpoint={run / name}"])
    with torch.device("meta"):
        model = Builder(recipe)("stages.language_model.model")
    assert all(weight.is_meta and weight.requires_grad for weight in model.network.parameters())
    num_weights = sum(weight.numel() for weight in model.network.parameters())
    assert num_weights == num_inner + num_matrices * width * VOCABULARY.num_rows


@pytest.mark.parametrize("name", PRESETS)
def test_tokens_of_a_step_are_those_of_the_comment(run, name):
    content = OmegaConf.to_container(load(f"presets/{name}", [f"run={run}"]).config, resolve=True)
    stage = content["stages"]["language_model"]
    data, trainer = stage["data"], stage["trainer"]
    rows = data["batch_size"] * trainer["devices"] * trainer["num_nodes"] * trainer["accumulate_grad_batches"]
    assert rows * data["sequence_length"] == STEP_TOKENS[name]
    assert stage["model"]["warmup_steps"] < trainer["max_steps"]
    if name == "sims":
        assert data["weights"] == {"text": 0.202, "interleaved": 0.543, "speech": 0.254}
    if name == "glm4_voice":
        assert STEP_TOKENS[name] * trainer["max_steps"] == pytest.approx(1e12, rel=0.05)
