"""Saves an exported network under an architecture whose tokenizer transformers reads as it was saved."""

from pathlib import Path

import torch
from torch import nn
from transformers import LlamaConfig, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

# Fields of a Qwen2 configuration that mean the same in Llama's.
SHARED_FIELDS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "rms_norm_eps",
    "rope_parameters",
    "tie_word_embeddings",
    "attention_dropout",
    "bos_token_id",
    "eos_token_id",
    "dtype",
)


def save_network(network: PreTrainedModel, folder: Path) -> None:
    """Save a network as transformers does, but Qwen2 as the Llama that computes the same.

    In a folder of a Qwen2 model, transformers replaces any tokenizer by Qwen2's own, which puts no space before a word
    that follows a marker. Llama with biases in attention is the same network, once the output projection, which has no
    bias in Qwen2, has one of zeros.

    Args:
        network: Causal language model; a Qwen2 gets the biases in place.
        folder: Folder to fill.
    """
    config = network.config
    if not isinstance(config, Qwen2Config) or not isinstance(network, Qwen2ForCausalLM) or _has_windows(config):
        network.save_pretrained(folder)
        return
    for layer in network.model.layers:
        projection = layer.self_attn.o_proj
        projection.bias = nn.Parameter(torch.zeros_like(projection.weight[:, 0]))
    network.save_pretrained(folder)
    fields = {name: getattr(config, name) for name in SHARED_FIELDS}
    llama = LlamaConfig(**fields, attention_bias=True, pad_token_id=None)
    llama.architectures = ["LlamaForCausalLM"]
    llama.save_pretrained(folder)


def _has_windows(config: Qwen2Config) -> bool:
    return "sliding_attention" in (config.layer_types or [])
