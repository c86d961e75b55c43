"""Positions of tokens in packed rows, which decide whether tokens attend across the documents of a row."""

from typing import Protocol

import torch
from torch import Tensor

from zoo.tokens.vocabulary import Vocabulary


class Positions(Protocol):
    """Assigns a position to each token of packed rows.

    transformers starts a new sequence at every position that is not the previous one plus 1, and masks attention
    between sequences.
    """

    def __call__(self, ids: Tensor) -> Tensor:
        """Return positions (B, T) of ids (B, T), or (1, T) if all rows have the same."""
        ...


class RowPositions:
    """Positions count through a whole row, so that tokens attend to all earlier tokens, as in most pretraining."""

    def __call__(self, ids: Tensor) -> Tensor:
        return torch.arange(ids.shape[1], device=ids.device)[None]


class DocumentPositions:
    """Positions restart at every document: tokens attend to earlier tokens of the same document only.

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
