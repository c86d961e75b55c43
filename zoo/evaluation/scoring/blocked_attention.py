"""Attention in blocks of queries, which skips on a processor most of what a causal mask hides."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "sdpa_in_blocks"
QUERIES = 64


@contextmanager
def attention_in_blocks(network: PreTrainedModel) -> Generator[None, None, None]:
    """Compute the ``sdpa`` attention of a network on a processor in blocks; other networks remain as they are.

    PyTorch's attention on a processor computes all scores, including those that the mask hides: half of them in a
    sequence where each token sees only earlier ones. Its kernels for other devices are faster without blocks.

    Args:
        network: Model of transformers, whose masks must hide everything after each query.
    """
    is_on_cpu = next(network.parameters()).device.type == "cpu"
    if not is_on_cpu or getattr(network.config, "_attn_implementation", None) != "sdpa":
        yield
        return
    network.set_attn_implementation(NAME)
    try:
        yield
    finally:
        network.set_attn_implementation("sdpa")


def _attend_in_blocks(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, **settings: object
) -> tuple[Tensor, None]:
    """Return the output of transformers' ``sdpa``, (B, T, heads, D), one block of queries at a time.

    A block attends to the keys up to its own last query only: the mask hides all later ones.

    Args:
        module: Attention layer.
        query: Queries, (B, heads, T, D).
        key: Keys, (B, key heads, T, D).
        value: Values, (B, key heads, T, D).
        attention_mask: Addend to the attention scores, (B, 1, T, T), which hides everything after each query.
        settings: Settings of the layer, for ``sdpa``.
    """
    attend = ALL_ATTENTION_FUNCTIONS["sdpa"]
    blocks = []
    for start in range(0, query.shape[2], QUERIES):
        end = start + QUERIES
        block, _ = attend(
            module,
            query[:, :, start:end],
            key[:, :, :end],
            value[:, :, :end],
            attention_mask[:, :, start:end, :end],
            **settings,
        )
        blocks.append(block)
    return torch.cat(blocks, dim=1), None


AttentionInterface.register(NAME, _attend_in_blocks)
