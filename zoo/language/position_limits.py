"""How many tokens a network reads, and whether it takes the position of each token."""

import inspect
import sys
import warnings

from peft import PeftModel
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from zoo.language.embedding_rows import text_config

UNLIMITED = sys.maxsize
# Names that configurations give the number of positions; most have the first one, or map it to their own.
LIMIT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx")


def max_positions(network: nn.Module) -> int:
    """Return how many tokens a network reads at most by its configuration; ``UNLIMITED`` if it sets no limit.

    Attention that is biased by distance (ALiBi), as in Bloom, has none.

    Args:
        network: Causal transformers model, with or without adapters.
    """
    return configured_positions(text_config(network))


def configured_positions(config: PretrainedConfig) -> int:
    """Return ``max_positions`` of the networks of a configuration."""
    config = config.get_text_config()
    if getattr(config, "alibi", False):
        return UNLIMITED
    for name in LIMIT_NAMES:
        limit = getattr(config, name, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return UNLIMITED


def has_rotary_positions(config: PretrainedConfig) -> bool:
    """Return whether positions are rotary, so that a network computes them for any number of tokens."""
    return bool(getattr(config.get_text_config(), "rope_parameters", None))


def table_size(config: PretrainedConfig) -> int:
    """Return the number of positions for which a network has a table; ``UNLIMITED`` if it computes them (rotary)."""
    if has_rotary_positions(config):
        return UNLIMITED
    return configured_positions(config)


def require_positions(network: nn.Module, sequence_length: int) -> None:
    """Raise ValueError if rows are longer than a network's table of positions, and warn if others are longer.

    Args:
        network: Causal transformers model, with or without adapters.
        sequence_length: Number of ids in a row.

    Raises:
        ValueError: The network has fewer positions; one with rotary positions has no table of them.
    """
    config = text_config(network)
    source = config.name_or_path or config.model_type
    limit = table_size(config)
    if sequence_length > limit:
        raise ValueError(
            f"sequence_length={sequence_length}: {source} has positions for {limit} tokens: "
            f"set sequence_length to {limit} or less, or train from a checkpoint with more positions"
        )
    limit = max_positions(network)
    if sequence_length > limit:
        warnings.warn(
            f"sequence_length={sequence_length}: {source} is configured for {limit} tokens; its rotary positions go "
            f"on, but evaluation and generation read at most {limit}",
            stacklevel=2,
        )


def takes_position_ids(network: PreTrainedModel | PeftModel) -> bool:
    """Return whether a network takes ``position_ids``; Bloom and MPT do not."""
    return "position_ids" in inspect.signature(network.get_decoder().forward).parameters


def has_alibi(network: nn.Module) -> bool:
    """Return whether a Falcon biases its attention by distance (ALiBi), for which it needs masks of its own."""
    return bool(getattr(text_config(network), "alibi", False))
