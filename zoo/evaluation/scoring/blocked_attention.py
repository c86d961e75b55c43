"""Attention under a mask in which nothing sees what comes after it, at half the penalty on a processor."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME, QUERIES = "sdpa_in_blocks", 64


@contextmanager
def attention_in_blocks(network: nn.Module) -> Iterator[None]:
    """Let a transformers model that stands on a processor and attends by ``sdpa`` do so in blocks; others stay as they are.

    PyTorch's attention for processors works out all scores, those too that the mask then hides: half of them in a
    sequence where each token sees only earlier ones. On other devices it has kernels that are better left whole.
    """
    if (
        next(network.parameters()).device.type != "cpu"
        or getattr(network.config, "_attn_implementation", None) != "sdpa"
    ):
        yield
        return
    network.set_attn_implementation(NAME)
    try:
        yield
    finally:
        network.set_attn_implementation("sdpa")


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, **settings: object
) -> tuple[Tensor, None]:
    """What ``sdpa`` of transformers gives, (B, T, heads, D), by so many queries at a time, which meet the keys up to the last of them.

    Args:
        module: Layer that asks.
        query: (B, heads, T, D).
        key: (B, heads of keys, T, D).
        value: Like ``key``.
        attention_mask: What is added to the scores, (B, 1, T, T); it hides all that comes after a query.
        settings: Of the layer, for ``sdpa``.
    """
    attend, ends = ALL_ATTENTION_FUNCTIONS["sdpa"], range(QUERIES, query.shape[2] + QUERIES, QUERIES)
    parts = [
        attend(
            module,
            query[:, :, end - QUERIES : end],
            key[:, :, :end],
            value[:, :, :end],
            attention_mask[:, :, end - QUERIES : end, :end],
            **settings,
        )[0]
        for end in ends
    ]
    return torch.cat(parts, dim=1), None


AttentionInterface.register(NAME, _attend)
