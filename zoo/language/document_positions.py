"""What a token of a packed row may attend to: all earlier tokens of the row, or only those of its own document."""

from typing import Protocol

import torch
from torch import Tensor

from zoo.tokens.vocabulary import Vocabulary


class Positions(Protocol):
    """Numbers the tokens of packed rows.

    transformers starts a new sequence wherever a position does not follow the one before, and masks attention so that
    no sequence attends to another.
    """

    def __call__(self, ids: Tensor) -> Tensor:
        """Return positions (B, T) of ids (B, T), or (1, T) if all rows have the same."""
        ...


class RowPositions:
    """A row is one sequence: tokens attend to all before them, as in Spirit LM and most pretraining."""

    def __call__(self, ids: Tensor) -> Tensor:
        return torch.arange(ids.shape[1], device=ids.device)[None]


class DocumentPositions:
    """Every document is a sequence: positions restart with it, and the attention mask is block-diagonal.

    With ``sdpa`` attention, transformers materializes the mask, (B, 1, T, T); ``flex_attention`` keeps it as blocks.
    Flash attention separates documents only in batches of one row.

    Args:
        vocabulary: Vocabulary of the ids. A document starts with the begin token followed by a modality marker; the
            begin token alone does not suffice, because a vocabulary may use one id for begin and end.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.bos = vocabulary.bos
        self.markers = (vocabulary.text_marker, vocabulary.speech_marker)

    def __call__(self, ids: Tensor) -> Tensor:
        index = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        is_marker = torch.isin(ids, torch.tensor(self.markers, device=ids.device))
        is_start = torch.zeros_like(ids, dtype=torch.bool)
        is_start[:, :-1] = (ids[:, :-1] == self.bos) & is_marker[:, 1:]
        # The running maximum of the starts' indices is, at each token, the start of its own document.
        document_start = torch.where(is_start, index, 0).cummax(1).values
        return index - document_start
