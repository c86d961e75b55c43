"""A loss of what a speech tokenizer hears in made speech: whether it is the units that the speech was made of."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.tokenizers.speech_tokenizer import UnitTokenizer


class UnitConsistencyLoss(nn.Module):
    """Cross entropy of the phonetic units that a tokenizer hears, against those that the speech was made of.

    The tokenizer is frozen; its encoder and quantizer pass the gradient on. Blanks of a CTC quantizer are left out of account.

    Args:
        tokenizer: The one whose units the vocoder speaks.
        weight: Of the loss, beside 45 for the mel loss.
    """

    def __init__(self, tokenizer: UnitTokenizer, weight: float = 3.0) -> None:
        super().__init__()
        self.weight = weight
        extractor = next(iter(tokenizer.extractors.values()))
        self._parts = [
            extractor.encoder,
            extractor.quantizer,
        ]  # in a list: not to be trained, nor saved with the vocoder
        for part in self._parts:
            part.requires_grad_(False)

    def forward(self, made: Tensor, batch: dict[str, Any]) -> Tensor:
        """Nats a unit.

        Args:
            made: Speech (B, N).
            batch: Has ``units`` by prefix (B, T), the phonetic ones first.
        """
        units = next(iter(batch["units"].values()))
        with torch.inference_mode(False):  # weights that a validation had moved could not be learned through
            encoder, quantizer = (part.to(made.device) for part in self._parts)
        with torch.autocast(made.device.type, enabled=False):
            features = torch.stack(encoder.batch(list(made.float())))  # (B, T, dim)
            log_probs = quantizer.log_probs(features)[..., : quantizer.size].log_softmax(-1)
        frames = min(log_probs.shape[1], units.shape[1])  # an encoder may have no frame for the very end
        return F.nll_loss(log_probs[:, :frames].flatten(0, 1), units[:, :frames].flatten(), ignore_index=quantizer.size)
