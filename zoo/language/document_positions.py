"""Positions of tokens in packed rows, which decide whether tokens attend across the documents of a row."""

from typing import Protocol

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from zoo.tokens.vocabulary import Vocabulary

# Implementations of attention that run on every device.
CHECKED_ATTENTION = ("sdpa", "eager")


class Positions(Protocol):
    """Assigns a position to each token of packed rows.

    transformers starts a new sequence at every position that is not the previous one plus 1, and masks attention
    between sequences.
    """

    def __call__(self, ids: Tensor) -> Tensor:
        """Return positions (B, T) of ids (B, T), or (1, T) if all rows have the same."""
        ...

    def check(self, network: PreTrainedModel | PeftModel) -> None:
        """Check that a network attends as the positions say.

        Raises:
            ValueError: It does not.
        """
        ...


class RowPositions:
    """Positions count through a whole row, so that tokens attend to all earlier tokens, as in most pretraining."""

    def __call__(self, ids: Tensor) -> Tensor:
        return torch.arange(ids.shape[1], device=ids.device)[None]

    def check(self, network: PreTrainedModel | PeftModel) -> None:
        pass  # every causal network attends to all earlier tokens


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

    @torch.no_grad()
    def check(self, network: PreTrainedModel | PeftModel) -> None:
        """Check, on a short row, that a network does not attend across documents; Bloom, Falcon and OPT do.

        Networks without weights, on the meta device, and those with attention that needs a GPU are not checked.

        Raises:
            ValueError: The network attends across documents.
        """
        if network.device.type == "meta" or network.config._attn_implementation not in CHECKED_ATTENTION:
            return
        marker = self.markers[0]
        rows = [[self.bos, marker, word, word, self.bos, marker, 2] for word in (0, 1)]
        ids = torch.tensor(rows, device=network.device)
        training = network.training
        network.eval()
        output = network.get_decoder()(input_ids=ids, position_ids=self(ids), use_cache=False)
        network.train(training)
        first, second = output.last_hidden_state[:, -1].float()
        if not torch.allclose(first, second, rtol=1e-3, atol=1e-4):
            raise ValueError(
                f"positions: {type(network).__name__} attends across the documents of a row, whatever their positions: "
                "leave positions out, or train from another checkpoint"
            )
