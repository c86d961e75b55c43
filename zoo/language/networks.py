"""Causal language models over a speech-text vocabulary, and wrappers that change how they are trained."""

from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_layers import GradientCheckpointingLayer

from zoo.language.calibrated_rows import CalibratedRows
from zoo.language.embedding_rows import EmbeddingInitializer, extend_embeddings, set_special_tokens
from zoo.optional_packages import require_package
from zoo.pretrained_networks import read_network, read_pretrained_config
from zoo.ranges import InitialDeviation, NumLayers, RotaryBase, Seed, Size
from zoo.seeds import seeded
from zoo.tokens.vocabulary import Vocabulary


def llama(
    vocabulary: Vocabulary,
    hidden_size: Size,
    num_layers: NumLayers,
    num_heads: Size,
    intermediate_size: Size | None = None,
    num_key_value_heads: Size | None = None,
    max_positions: Size = 4096,
    rope_theta: RotaryBase = 100_000.0,
    tie_embeddings: bool = False,
    initializer_range: InitialDeviation = 0.02,
    seed: Seed | None = None,
) -> LlamaForCausalLM:
    """Return an untrained Llama.

    Args:
        vocabulary: Vocabulary whose ids, and padding rows, have a row each in the embedding.
        hidden_size: Width of the hidden states; a multiple of ``num_heads``.
        num_layers: Number of transformer layers.
        num_heads: Number of attention heads.
        intermediate_size: Width inside the feed-forward blocks. Defaults to 8/3 of ``hidden_size``, rounded up to a
            multiple of 32.
        num_key_value_heads: Number of key and value heads; fewer than ``num_heads`` give grouped-query attention.
            Defaults to ``num_heads``.
        max_positions: Longest sequence, in tokens.
        rope_theta: Base of the rotary positions; Spirit LM raises Llama 2's 10,000 to 100,000.
        tie_embeddings: Whether embedding and head are one matrix.
        initializer_range: Standard deviation of the initial weights; a narrow network learns faster from a larger one.
        seed: Seed of the initial weights. Defaults to the state of torch's generator.

    Raises:
        ValueError: If ``hidden_size`` is no multiple of ``num_heads``.
    """
    if hidden_size % num_heads:
        raise ValueError(f"hidden_size {hidden_size} must be a multiple of num_heads {num_heads}")
    config = LlamaConfig(
        vocab_size=vocabulary.num_rows,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=intermediate_size or -(-hidden_size * 8 // 96) * 32,
        num_key_value_heads=num_key_value_heads or num_heads,
        max_position_embeddings=max_positions,
        rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        tie_word_embeddings=tie_embeddings,
        initializer_range=initializer_range,
        bos_token_id=vocabulary.bos,
        eos_token_id=vocabulary.eos,
        pad_token_id=None,
        attn_implementation="sdpa",  # pyrefly: ignore[unexpected-keyword]  # declared in no configuration's signature
    )
    if seed is None:
        return LlamaForCausalLM(config)
    with seeded(seed, torch.get_default_device()):
        return LlamaForCausalLM(config)


def from_checkpoint(
    source: str,
    vocabulary: Vocabulary,
    rope_theta: RotaryBase | None = None,
    initializer: EmbeddingInitializer = CalibratedRows(),
    seed: Seed = 0,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> PreTrainedModel:
    """Return a text model whose embedding is extended to speech: text rows are kept, all others drawn anew.

    On the meta device, only the shapes are created and no weights are read.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Vocabulary built over the text tokenizer of the same checkpoint.
        rope_theta: Base of the rotary positions. Defaults to the checkpoint's own.
        initializer: Initializes the embedding rows of markers and units.
        seed: Seed of the new rows.
        dtype: Data type of the weights: float32 to train them all, bfloat16 if only adapters are trained.

    Raises:
        ValueError: If the checkpoint has fewer rows than the vocabulary has text tokens, or is a speech-text model
            already.
    """
    if (Path(source) / "vocabulary.json").is_file():
        raise ValueError(
            f"{source} is a speech-text model, whose rows for speech would be drawn anew: "
            "name zoo.language.networks.from_run in place of from_checkpoint"
        )
    config = _config(source, rope_theta)
    if torch.get_default_device().type == "meta":
        network = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype), trust_remote_code=False)
    else:
        network = read_network(AutoModelForCausalLM, source, config, getattr(torch, dtype))
    return extend_embeddings(network, vocabulary, initializer, seed)


def random_like(source: str, vocabulary: Vocabulary, rope_theta: RotaryBase | None = None) -> PreTrainedModel:
    """Return a network with a checkpoint's architecture and random weights: the ablation without text pretraining.

    Args:
        source: Name or folder of a causal transformers checkpoint, of which only the configuration is read.
        vocabulary: Vocabulary whose ids, and padding rows, have a row each in the embedding.
        rope_theta: Base of the rotary positions. Defaults to the checkpoint's own.
    """
    config = _config(source, rope_theta)
    config.vocab_size = vocabulary.num_rows
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    return set_special_tokens(network, vocabulary)


def quantized(
    source: str,
    vocabulary: Vocabulary,
    bits: Literal[4, 8] = 4,
    rope_theta: RotaryBase | None = None,
    initializer: EmbeddingInitializer = CalibratedRows(),
    seed: Seed = 0,
) -> PreTrainedModel:
    """Return ``from_checkpoint`` with its linear layers in 4 or 8 bits (Dettmers et al. 2023), as a base for adapters.

    Embedding and head stay in bfloat16, so that rows can be added and trained.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Vocabulary built over the text tokenizer of the same checkpoint.
        bits: 4 for NormalFloat, 8 for integers with separate outliers.
        rope_theta: Base of the rotary positions. Defaults to the checkpoint's own.
        initializer: Initializes the embedding rows of markers and units.
        seed: Seed of the new rows.

    Raises:
        ValueError: If bitsandbytes is not installed.
    """
    require_package("bitsandbytes", f"bits={bits}", "quantized", "name zoo.language.networks.from_checkpoint")
    weights = BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    options = {"quantization_config": weights}
    network = read_network(AutoModelForCausalLM, source, _config(source, rope_theta), torch.bfloat16, options=options)
    return extend_embeddings(network, vocabulary, initializer, seed)


def from_run(folder: Path, vocabulary: Vocabulary) -> PreTrainedModel:
    """Return a speech-text model that a language model stage has saved, unchanged, to continue its training.

    Args:
        folder: The stage's ``model`` folder.
        vocabulary: Vocabulary that must equal the model's.

    Raises:
        ValueError: If the model was trained over another vocabulary, or the folder contains an adapter.
    """
    if (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"{folder} contains an adapter, not a whole model: "
            "merge it into its base with zoo.language.adapters.merge_adapter first"
        )
    own = Vocabulary.load(folder).contract
    for field, value in vocabulary.contract.items():
        if own.get(field) != value:
            raise ValueError(
                f"{folder} was trained over another vocabulary: its {field} is {own.get(field)!r}, not {value!r}"
            )
    network = read_network(AutoModelForCausalLM, folder, unexpected="none")
    return set_special_tokens(network, vocabulary)


def checkpointed(network: PreTrainedModel | PeftModel) -> PreTrainedModel | PeftModel:
    """Return the network with activation checkpointing by layer: less memory, a third more computation."""
    network.gradient_checkpointing_enable({"use_reentrant": False})
    return network


def with_attention(
    network: PreTrainedModel, attention: Literal["sdpa", "eager", "flex_attention", "flash_attention_2"]
) -> PreTrainedModel:
    """Return the network with a given implementation of attention.

    Args:
        network: Network as another builder returns it.
        attention: Name of the implementation in transformers; flex and flash attention need a GPU.
    """
    network.set_attn_implementation(attention)
    return network


def compiled(network: nn.Module, mode: str = "default", backend: str = "inductor") -> nn.Module:
    """Return the network with each of its layers compiled by torch.compile; the names of its weights do not change.

    Args:
        network: Network as another builder returns it.
        mode: Mode of torch.compile; only the inductor backend has modes.
        backend: Backend of torch.compile.
    """
    for layer in layers(network):
        layer.compile(mode=mode if backend == "inductor" else None, backend=backend)
    return network


def layers(network: nn.Module) -> list[nn.Module]:
    """Return the transformer layers of a network, from the first to the last."""
    return [module for module in network.modules() if isinstance(module, GradientCheckpointingLayer)]


def _config(source: str, rope_theta: float | None) -> PretrainedConfig:
    config = read_pretrained_config(source)
    if rope_theta is not None:
        rope = getattr(config.get_text_config(), "rope_parameters", None)
        if not rope:
            raise ValueError(
                f"{source} has no rotary positions, so rope_theta={rope_theta} cannot be set: "
                "leave it out, or set it to null"
            )
        # If sliding and full attention have separate bases, the one of full attention sets the long range.
        rope = rope.get("full_attention", rope)
        rope["rope_theta"] = float(rope_theta)
    return config
