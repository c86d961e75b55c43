"""Self-attention of several utterances whose frames are the rows of one matrix.

Utterances are not padded, so no mask is needed: the frames of all utterances are the rows of one matrix (N, D), one
utterance after another. Layers that process single frames (linear layers, norms) run over all rows at once, attention
over the rows of each utterance. The features of an utterance are the same as if it were encoded alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Matrix products of one to three rows use different kernels, with different rounding, than products of many rows. With
# at least this many rows, the features of an utterance are bit-identical whether it is encoded alone or in a batch.
MIN_ROWS = 16


def attend(attention: nn.Module, x: Tensor, lengths: list[int], num_heads: int) -> Tensor:
    """Apply self-attention within each utterance: (N, D) -> (N, D).

    Args:
        attention: Attention of a transformer layer.
        x: Rows of all utterances, followed by rows of padding, (N, D).
        lengths: Number of rows of each utterance.
        num_heads: Number of attention heads.
    """
    # Projections run over all rows; then queries, keys and values are split by utterance. The padding rows are split
    # off as a separate last section, so that no utterance attends to them.
    sections = [*lengths, x.shape[0] - sum(lengths)]
    by_projection = []
    for name in ("q_proj", "k_proj", "v_proj"):
        projected = attention.get_submodule(name)(x)
        heads = projected.unflatten(1, (num_heads, -1)).transpose(0, 1)  # (H, N, D / H)
        by_projection.append(heads.split(sections, dim=1))
    mixed = []
    for query, key, value in zip(*by_projection, strict=True):
        if query.shape[1] == 0:  # no padding
            mixed.append(query)
        else:
            mixed.append(F.scaled_dot_product_attention(query[None], key[None], value[None])[0])
    joined = torch.cat(mixed, dim=1).transpose(0, 1).flatten(1)  # (N, D)
    return attention.get_submodule("out_proj")(joined)


def pad_rows(x: Tensor) -> Tensor:
    """Append rows of zeros to (N, D) until there are ``MIN_ROWS``."""
    return F.pad(x, (0, 0, 0, MIN_ROWS - len(x))) if len(x) < MIN_ROWS else x
