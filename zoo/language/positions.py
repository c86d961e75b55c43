"""What a token of a packed row may attend to: the documents before its own in the row, or its own alone."""

from typing import Protocol

import torch
from torch import Tensor

from zoo.tokens.vocabulary import Vocabulary


class Positions(Protocol):
    """Numbers the tokens of rows; transformers reads a number that does not follow the one before as a new sequence."""

    def __call__(self, ids: Tensor) -> Tensor:
        """Ids (B, T) to positions (B, T), or (1, T) where they are those of every row."""
        ...


class RowPositions:
    """A row is one sequence: tokens attend to all before them, as in Spirit LM and most pretraining."""

    def __call__(self, ids: Tensor) -> Tensor:
        return torch.arange(ids.shape[1], device=ids.device)[None]


class DocumentPositions:
    """Positions begin anew with each document, and no token attends to another document: a block-diagonal mask.

    With ``sdpa`` attention transformers writes the mask out, (B, 1, T, T); ``flex_attention`` keeps it as blocks.
    Flash attention reads documents apart in batches of one row only.

    Args:
        vocabulary: A document is its begin token followed by a marker, so that one token may serve for begin and end.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.bos, self.markers = vocabulary.bos, (vocabulary.text_marker, vocabulary.speech_marker)

    def __call__(self, ids: Tensor) -> Tensor:
        place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        begins = torch.zeros_like(ids, dtype=torch.bool)
        begins[:, :-1] = (ids[:, :-1] == self.bos) & torch.isin(
            ids[:, 1:], torch.tensor(self.markers, device=ids.device)
        )
        return place - torch.where(begins, place, 0).cummax(1).values
