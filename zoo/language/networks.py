"""Causal language models over a speech-text vocabulary, and wrappers that change how they are trained."""

import importlib.util
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_layers import GradientCheckpointingLayer

from zoo.language.embedding_initializers import EmbeddingInitializer, NormalRows
from zoo.seeds import seeded
from zoo.tokens.vocabulary import Vocabulary


def llama(
    vocabulary: Vocabulary,
    hidden_size: int,
    num_layers: int,
    num_heads: int,
    intermediate_size: int | None = None,
    num_key_value_heads: int | None = None,
    max_positions: int = 4096,
    rope_theta: float = 100_000.0,
    tie_embeddings: bool = False,
    initializer_range: float = 0.02,
    seed: int | None = None,
) -> LlamaForCausalLM:
    """Return an untrained Llama.

    Args:
        vocabulary: The embedding has a row for each of its ids, and its padding rows.
        hidden_size: Width; a multiple of ``num_heads``.
        num_layers: Transformer layers.
        num_heads: Attention heads.
        intermediate_size: Width inside the feed-forward blocks; 8/3 of ``hidden_size``, rounded up to 32, if None.
        num_key_value_heads: Fewer than ``num_heads`` for grouped queries; as many if None.
        max_positions: Longest sequence, in tokens.
        rope_theta: Base of the rotary positions; Spirit LM raises Llama 2's 10,000 to 100,000.
        tie_embeddings: One matrix for embedding and head.
        initializer_range: Deviation of the initial weights; a narrow network learns faster from a larger one.
        seed: Of the weights, so that one recipe can train several; the state of torch's generator if None.
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
        attn_implementation="sdpa",
    )
    if seed is None:
        return LlamaForCausalLM(config)
    with seeded(seed, torch.get_default_device()):
        return LlamaForCausalLM(config)


def from_checkpoint(
    source: str,
    vocabulary: Vocabulary,
    rope_theta: float | None = None,
    rows: EmbeddingInitializer = NormalRows(),
    seed: int = 0,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> PreTrainedModel:
    """Return a text model whose embedding is extended to speech: text rows kept, all others drawn anew.

    On the meta device only the shapes are made, and no weights are read.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Built over the text tokenizer of the same checkpoint.
        rope_theta: Base of the rotary positions; the checkpoint's own if None.
        rows: Draws the rows of markers and units.
        seed: Of the new rows.
        dtype: Of the weights: float32 to train them all, bfloat16 where adapters alone learn.

    Raises:
        ValueError: Where the checkpoint has fewer rows than the vocabulary has text pieces, or knows speech already.
    """
    if (Path(source) / "vocabulary.json").is_file():
        raise ValueError(
            f"{source} is a speech-text model, whose rows for speech would be drawn anew: name zoo.language.networks.from_run in place of from_checkpoint"
        )
    config = _config(source, rope_theta)
    if torch.get_default_device().type == "meta":
        network = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    else:
        network = AutoModelForCausalLM.from_pretrained(source, config=config, dtype=getattr(torch, dtype))
    return extended(network, vocabulary, rows, seed)


def random_like(source: str, vocabulary: Vocabulary, rope_theta: float | None = None) -> PreTrainedModel:
    """Return a network of a checkpoint's architecture with random weights: the ablation without text pretraining.

    Args:
        source: Name or folder of a causal transformers checkpoint, of which only the configuration is read.
        vocabulary: The embedding has a row for each of its ids, and its padding rows.
        rope_theta: Base of the rotary positions; the checkpoint's own if None.
    """
    config = _config(source, rope_theta)
    config.vocab_size = vocabulary.num_rows
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return _speaking(network, vocabulary)


def quantized(
    source: str,
    vocabulary: Vocabulary,
    bits: Literal[4, 8] = 4,
    rope_theta: float | None = None,
    rows: EmbeddingInitializer = NormalRows(),
    seed: int = 0,
) -> PreTrainedModel:
    """Return ``from_checkpoint`` with its linear layers in 4 or 8 bits (Dettmers et al. 2023), as a base that adapters learn on.

    Embedding and head stay in bfloat16, so that rows can be added and trained.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Built over the text tokenizer of the same checkpoint.
        bits: 4 stores NormalFloat, 8 stores integers with outliers apart.
        rope_theta: Base of the rotary positions; the checkpoint's own if None.
        rows: Draws the rows of markers and units.
        seed: Of the new rows.

    Raises:
        ValueError: Where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError(
            f"bits={bits} needs bitsandbytes, which is not installed: pip install 'spiritlm-zoo[quantized]', or name zoo.language.networks.from_checkpoint"
        )
    weights = BitsAndBytesConfig(
        load_in_4bit=bits == 4, load_in_8bit=bits == 8, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    network = AutoModelForCausalLM.from_pretrained(
        source, config=_config(source, rope_theta), dtype=torch.bfloat16, quantization_config=weights
    )
    return extended(network, vocabulary, rows, seed)


def from_run(folder: Path, vocabulary: Vocabulary) -> PreTrainedModel:
    """Return a speech-text model that a language model stage has saved, as it is, to go on with.

    Args:
        folder: The stage's ``model``.
        vocabulary: The same as the model's.

    Raises:
        ValueError: Where the model was made over another vocabulary, or the folder holds an adapter.
    """
    if (folder / "adapter_config.json").is_file():
        raise ValueError(
            f"{folder} holds an adapter, not a whole model: write both as one with zoo.language.adapters.merge_adapter first"
        )
    own = Vocabulary.load(folder).contract
    for field in (field for field, value in vocabulary.contract.items() if own.get(field) != value):
        raise ValueError(
            f"{folder} was trained over another vocabulary: its {field} is {own.get(field)!r}, not {vocabulary.contract[field]!r}"
        )
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return _speaking(network, vocabulary)


def checkpointed(network: nn.Module) -> nn.Module:
    """Return the network with activations made again in the backward pass, layer by layer: less memory, a third more work."""
    network.gradient_checkpointing_enable({"use_reentrant": False})
    return network


def attending(
    network: PreTrainedModel, attention: Literal["sdpa", "eager", "flex_attention", "flash_attention_2"]
) -> PreTrainedModel:
    """Return the network with another implementation of attention than transformers' choice; flex and flash need a GPU."""
    network.set_attn_implementation(attention)
    return network


def compiled(network: nn.Module, mode: str = "default", backend: str = "inductor") -> nn.Module:
    """Return the network with each of its layers compiled by torch.compile; names of weights stay as they are.

    Args:
        network: As another builder returns it.
        mode: Of torch.compile.
        backend: Of torch.compile.
    """
    for layer in layers(network):
        layer.compile(mode=mode if backend == "inductor" else None, backend=backend)
    return network


def layers(network: nn.Module) -> list[nn.Module]:
    """The transformer layers, from the first to the last."""
    return [module for module in network.modules() if isinstance(module, GradientCheckpointingLayer)]


@torch.no_grad()
def extended(
    network: PreTrainedModel, vocabulary: Vocabulary, rows: EmbeddingInitializer, seed: int
) -> PreTrainedModel:
    """Give embedding and head a row for each id of the vocabulary: text rows are kept to the bit, all others drawn."""
    given = network.get_input_embeddings().weight.shape[0]
    if given < vocabulary.num_text:
        raise ValueError(
            f"{network.name_or_path} embeds {given} text pieces, but its vocabulary has {vocabulary.num_text}: "
            "build the vocabulary over this checkpoint's own tokenizer"
        )
    network.resize_token_embeddings(vocabulary.num_rows, mean_resizing=False)
    draw = torch.Generator("cpu").manual_seed(seed)
    matrices = {
        id(layer.weight): layer.weight for layer in (network.get_input_embeddings(), network.get_output_embeddings())
    }
    for weight in matrices.values():  # one, where they are tied
        if weight.device.type != "meta":
            count = vocabulary.num_rows - vocabulary.num_text
            deviation = network.config.get_text_config().initializer_range
            weight[vocabulary.num_text :] = rows.rows(
                weight[: vocabulary.num_text].float().cpu(), count, deviation, draw
            ).to(weight)
    return _speaking(network, vocabulary)


def _speaking(network: PreTrainedModel, vocabulary: Vocabulary) -> PreTrainedModel:
    """Take over begin and end, and let no id be padding: in Llama 2 and others the padding id is a token of its own."""
    # An embedding never learns its padding row.
    network.get_input_embeddings().padding_idx = None
    for settings in (network.config.get_text_config(), network.generation_config):
        if settings is not None:
            settings.bos_token_id, settings.eos_token_id, settings.pad_token_id = vocabulary.bos, vocabulary.eos, None
    return network


def _config(source: str, rope_theta: float | None) -> PretrainedConfig:
    config = AutoConfig.from_pretrained(source)
    if rope_theta is not None:
        rope = getattr(config.get_text_config(), "rope_parameters", None)
        if not rope:
            raise ValueError(
                f"{source} has no rotary positions, so rope_theta={rope_theta} cannot be set: leave it out"
            )
        # Where sliding and full attention have bases of their own, the long range is that of full attention.
        wide = rope.get("full_attention", rope)
        wide["rope_theta"] = float(rope_theta)
    return config
