"""Which tokens may follow, by the modality asked for."""

import torch
from torch import Tensor
from transformers import LogitsProcessor

from zoo.tokens.vocabulary import Vocabulary

MODALITIES = ("text", "speech", "any")


class ModalityConstraint(LogitsProcessor):
    """Forbid what the modality does not allow; the end token is always allowed, so that generation can end.

    Args:
        vocabulary: Of the network.
        to: ``text``: text pieces. ``speech``: units. ``any``: both, and the markers between them.

    Raises:
        ValueError: At another modality.
    """

    def __init__(self, vocabulary: Vocabulary, to: str) -> None:
        if to not in MODALITIES:
            raise ValueError(f"to={to!r}: want one of {', '.join(MODALITIES)}")
        ids = torch.arange(vocabulary.num_rows)
        allowed = {"text": vocabulary.is_text(ids), "speech": vocabulary.is_unit(ids), "any": ids < len(vocabulary)}[to]
        allowed[vocabulary.bos] = False
        allowed[vocabulary.eos] = True
        self.forbidden = ~allowed

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits (B, V) with the forbidden ones at minus infinity."""
        return scores.masked_fill(self.forbidden.to(scores.device), float("-inf"))
