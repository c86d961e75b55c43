"""Causal language models over a speech-text vocabulary: from a configuration or from a checkpoint."""
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from zoo.tokens.vocabulary import Vocabulary


def llama(vocabulary: Vocabulary, hidden_size: int, num_layers: int, num_heads: int, intermediate_size: int | None = None,
          num_key_value_heads: int | None = None, max_positions: int = 4096, rope_theta: float = 100_000.0,
          tie_embeddings: bool = False) -> LlamaForCausalLM:
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
    """
    if hidden_size % num_heads:
        raise ValueError(f"hidden_size {hidden_size} must be a multiple of num_heads {num_heads}")
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary.num_rows, hidden_size=hidden_size, num_hidden_layers=num_layers, num_attention_heads=num_heads,
        intermediate_size=intermediate_size or -(-hidden_size * 8 // 96) * 32, num_key_value_heads=num_key_value_heads or num_heads,
        max_position_embeddings=max_positions, rope_parameters={"rope_type": "default", "rope_theta": rope_theta},
        tie_word_embeddings=tie_embeddings, bos_token_id=vocabulary.bos, eos_token_id=vocabulary.eos, pad_token_id=None,
        attn_implementation="sdpa"))


def pretrained(source: str, vocabulary: Vocabulary, rope_theta: float | None = None, seed: int = 0) -> PreTrainedModel:
    """Return a text model whose embedding is extended to speech: text rows kept, all others drawn anew.

    Args:
        source: Name or folder of any causal transformers checkpoint.
        vocabulary: Built over the text tokenizer of the same checkpoint.
        rope_theta: Base of the rotary positions; the checkpoint's own if None.
        seed: Of the new rows.

    Raises:
        ValueError: Where the checkpoint has fewer rows than the vocabulary has text pieces.
    """
    config = AutoConfig.from_pretrained(source)
    if rope_theta is not None:
        config.rope_parameters = {**config.rope_parameters, "rope_theta": rope_theta}
    network = AutoModelForCausalLM.from_pretrained(source, config=config, dtype=torch.float32, attn_implementation="sdpa")
    rows = network.get_input_embeddings().weight.shape[0]
    if rows < vocabulary.num_text:
        raise ValueError(f"{source} embeds {rows} text pieces, but its vocabulary has {vocabulary.num_text}: "
                         "build the vocabulary over this checkpoint's own tokenizer")
    network.resize_token_embeddings(vocabulary.num_rows, mean_resizing=False)
    draw = torch.Generator().manual_seed(seed)
    for layer in (network.get_input_embeddings(), network.get_output_embeddings()):  # tied: one matrix, drawn twice
        _draw_rows(layer, vocabulary.num_text, network.config.initializer_range, draw)
    network.config.bos_token_id, network.config.eos_token_id, network.config.pad_token_id = vocabulary.bos, vocabulary.eos, None
    return network


@torch.no_grad()
def _draw_rows(layer: nn.Module, first: int, deviation: float, draw: torch.Generator) -> None:
    layer.weight[first:].normal_(0.0, deviation, generator=draw)
