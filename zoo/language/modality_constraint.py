"""Constraint of generation to the tokens of one modality."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from zoo.tokens.vocabulary import Vocabulary

MODALITIES = ("text", "speech", "any")


class ModalityConstraint(LogitsProcessor):
    """Masks the tokens of other modalities; the end token is always allowed, so that generation can end.

    Args:
        vocabulary: Vocabulary of the network.
        to: ``text`` allows text tokens, ``speech`` units, ``any`` both and the markers between them.
        also_allowed: Ids of tokens that are allowed in any case, such as those of a stop text; none by default.

    Raises:
        ValueError: If ``to`` is not ``text``, ``speech`` or ``any``.
    """

    def __init__(self, vocabulary: Vocabulary, to: str, also_allowed: Sequence[int] = ()) -> None:
        if to not in MODALITIES:
            raise ValueError(f"to={to!r}: want one of {', '.join(MODALITIES)}")
        ids = torch.arange(vocabulary.num_rows)
        if to == "text":
            allowed = vocabulary.is_text(ids)
        elif to == "speech":
            allowed = vocabulary.is_unit(ids)
        else:
            allowed = ids < len(vocabulary)  # rows beyond the vocabulary are padding of the embedding matrix
        allowed[vocabulary.bos] = False
        allowed[vocabulary.eos] = True
        allowed[list(also_allowed)] = True
        self.forbidden = ~allowed

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the logits (B, V) with those of forbidden tokens at minus infinity."""
        return scores.masked_fill(self.forbidden.to(scores.device), float("-inf"))
