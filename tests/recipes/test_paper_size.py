"""Recipes of paper size: built on the meta device, where weights have shapes and no content, with every number checked."""

import math

import pytest
import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, models
from transformers import AutoModel, LlamaConfig, PreTrainedTokenizerFast, WhisperConfig

from recipes.engine.builder import Builder
from recipes.engine.recipe import load
from zoo.speech.transcript_labels import Characters
from zoo.tokens.text_tokenizer import TextTokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

LLAMA_2_7B = 6_738_415_616
STREAMS = {
    "base": [Stream("Hu", 501, 25.0)],
    "expressive": [Stream("Hu", 501, 25.0), Stream("Pi", 64, 12.5), Stream("St", 100, 1.0, dedup=False)],
}
ROWS = {"base": 32512, "expressive": 32768}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A checkpoint of which only the configuration is there, and a vocabulary of each kind over 32,000 text pieces."""
    folder = tmp_path_factory.mktemp("paper")
    LlamaConfig(vocab_size=32000, max_position_embeddings=4096).save_pretrained(folder / "llama")
    pieces = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"\u2581w{n}": n for n in range(3, 32000)}
    text = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(pieces, unk_token="<unk>")),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    for kind, streams in STREAMS.items():
        Vocabulary(TextTokenizer(text), streams, multiple=128).save(folder / kind / "vocabulary" / "vocabulary")
    return folder


def built(folders, name):
    kind = "expressive" if "expressive" in name else "base"
    recipe = load(name, [f"run={folders / kind}", f"checkpoint={folders / 'llama'}"])
    with torch.device("meta"):
        return recipe, Builder(recipe)("stages.language_model.model")


def counts(model):
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.network.parameters()]
    return sum(size for size, _ in sizes), sum(size for size, learns in sizes if learns)


@pytest.mark.parametrize("kind", ["base", "expressive"])
def test_all_weights_of_the_full_models_learn(folders, kind):
    recipe, model = built(folders, f"lm/{kind}_full")
    size = LLAMA_2_7B + 2 * 4096 * (ROWS[kind] - 32000)
    assert counts(model) == (size, size) and all(
        weight.is_meta and weight.dtype == torch.float32 for weight in model.network.parameters()
    )
    assert model.network.config.rope_parameters["rope_theta"] == 100_000 and model.network.is_gradient_checkpointing
    assert model.learning_rate == model.final_learning_rate == 3e-5
    assert (model.vocabulary.text_marker, model.vocabulary.speech_marker, model.vocabulary.first_unit) == (
        32000,
        32001,
        32002,
    )
    assert {prefix: ids.start for prefix, ids in model.vocabulary.ranges.items()} == dict(
        list({"Hu": 32002, "Pi": 32503, "St": 32567}.items())[: len(STREAMS[kind])]
    )


@pytest.mark.parametrize("kind", ["base", "expressive"])
def test_adapters_and_new_rows_alone_learn_in_the_lora_models(folders, kind):
    recipe, model = built(folders, f"lm/{kind}_lora")
    rank, hidden, inner = 64, 4096, 11008
    adapters = 32 * rank * (4 * (hidden + hidden) + 3 * (hidden + inner))
    rows = 2 * hidden * (ROWS[kind] - 32000)
    assert counts(model)[1] == adapters + rows
    assert counts(model)[0] == LLAMA_2_7B + rows + adapters + rows  # the rows stand in the frozen matrices too


@pytest.mark.parametrize("name", ["lm/base_full", "lm/base_lora", "lm/expressive_full", "lm/expressive_lora"])
def test_a_step_has_a_million_tokens(folders, name):
    kind = "expressive" if "expressive" in name else "base"
    content = OmegaConf.to_container(load(name, [f"run={folders / kind}"]).config, resolve=True)
    stage = content["stages"]["language_model"]
    data, trainer = stage["data"], stage["trainer"]
    step = (
        data["sequence_length"]
        * data["batch_size"]
        * trainer["devices"]
        * trainer["num_nodes"]
        * trainer["accumulate_grad_batches"]
    )
    assert step == 2**20 and data["sequence_length"] == 4096
    if "full" in name:
        assert step * trainer["max_steps"] == pytest.approx(100e9, rel=0.05)
        assert trainer["strategy"]["data_parallel_size"] == trainer["devices"] * trainer["num_nodes"]
        assert trainer["strategy"]["tensor_parallel_size"] == 1
    assert len(set(data["weights"].values())) == 1 and set(data["weights"]) == {"text", "speech", "interleaved"}
    low, high = data["streams"]["speech"]["expected_rate"]
    assert low < (28 if kind == "expressive" else 17.5) < high


def test_each_ablation_differs_in_what_it_says(folders):
    def stage(name):
        return OmegaConf.to_container(
            load(name, [f"run={folders / 'base'}", f"checkpoint={folders / 'llama'}"]).config, resolve=True
        )["stages"]["language_model"]

    base = stage("lm/base_full")
    without_interleaving = stage("lm/ablations/no_interleaving")
    assert without_interleaving["data"]["weights"] == {"text": 1, "speech": 1, "interleaved": 0}
    assert {**without_interleaving, "data": None, "out": None} == {**base, "data": None, "out": None}
    for name in ("text", "speech"):
        other = stage(f"lm/ablations/{name}_only")
        assert other["data"].pop("_target_") == f"datamodules.{name.capitalize()}DataModule"
        stream = {key: other["data"].pop(key) for key in ("tokens", "expected_rate") if key in other["data"]}
        assert {"_target_": f"datamodules.{name.capitalize()}Stream", **stream} == base["data"]["streams"][name]
        assert other["data"].items() <= base["data"].items() and len(other["data"]) == 5
        assert {**other, "data": None, "out": None} == {**base, "data": None, "out": None}
    assert set(stage("lm/ablations/asr_tts_only")["data"]["streams"]) == {"recognition", "synthesis"}
    words = stage("lm/ablations/word_transcription")["data"]["streams"]
    assert (
        words["interleaved"]["_target_"] == "datamodules.WordTranscriptionStream"
        and words["speech"] == base["data"]["streams"]["speech"]
    )
    for name, theta in (("default_rope", 10_000), ("random_init", 100_000)):
        model = built(folders, f"lm/ablations/{name}")[1]
        assert model.network.config.rope_parameters["rope_theta"] == theta
        assert counts(model)[1] == LLAMA_2_7B + 2 * 4096 * 512


WHISPER_LARGE_V3 = {
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "decoder_layers": 32,
    "decoder_attention_heads": 20,
    "decoder_ffn_dim": 5120,
    "num_mel_bins": 128,
}


@pytest.fixture
def supervised(tmp_path, monkeypatch):
    """The recipe of supervised units over a Whisper large of which only the configuration is there."""
    WhisperConfig(**WHISPER_LARGE_V3).save_pretrained(tmp_path / "whisper")
    Characters.of_texts(["the quick brown fox jumps over a lazy dog"]).save(tmp_path / "out" / "features")

    def without_weights(network_class, source, config, **settings):
        return AutoModel.from_config(config)

    for module in ("zoo.speech.context_layers", "zoo.speech.encoders.whisper"):
        monkeypatch.setattr(f"{module}.read_network", without_weights)
    values = [f"corpus={tmp_path}", f"whisper={tmp_path / 'whisper'}", f"out={tmp_path / 'out'}"]
    return load("units/supervised", values)


def test_supervised_units_are_those_of_glm_4_voice(supervised):
    """175 bits a second: 16384 codes at 12.5 Hz, after half of the layers (Zeng et al. 2024)."""
    with torch.device("meta"):
        builder = Builder(supervised)
        model = builder("stages.supervised.model")
        encoder = builder("stages.supervised.encoder")
    assert encoder.frame_rate == model.frame_rate == 12.5
    assert encoder.dim == model.quantizer.dim == supervised.config.dim == 1280
    assert math.log2(model.quantizer.size) * encoder.frame_rate == 175
    # Each layer of the encoder once: frozen, up to the bottleneck, and in the head.
    layers = (encoder.encoder.layer, len(model.quantizer.layers.layers), len(model.head.layers.layers))
    assert layers == (14, 2, 16) and sum(layers) == 32


def test_supervised_units_train_layers_of_whisper_large(supervised):
    with torch.device("meta"):
        model = Builder(supervised)("stages.supervised.model")
    dim, inner = 1280, 5120
    layer = 4 * dim * (dim + 1) + 2 * dim * inner + inner + dim + 4 * dim

    def size(module):
        return sum(weight.numel() for weight in module.parameters())

    assert size(model.quantizer.layers.layers) == 2 * layer
    assert size(model.head.layers.layers) == 16 * layer
    assert all(weight.is_meta and weight.requires_grad for weight in model.parameters())
    units = torch.empty(2, 50, dim, device="meta")
    assert model.head(units, torch.ones(2, 50, dtype=torch.bool, device="meta")).shape[:2] == (2, 200)


def test_supervised_units_see_the_speech_of_many_codebooks_a_step(supervised):
    content = OmegaConf.to_container(supervised.config, resolve=True)
    stage = content["stages"]["supervised"]
    assert stage["data"]["batch_frames"] / 12.5 == 960  # seconds of speech a step
    assert stage["trainer"]["max_steps"] * stage["data"]["batch_frames"] / 12.5 / 3600 > 10_000  # hours, all epochs
    assert content["network"]["layers"]["first"] == content["frozen_layers"] + 1
    assert stage["model"]["head"]["layers"]["first"] == content["bottleneck_layer"] + 1
