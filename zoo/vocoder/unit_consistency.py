"""Loss that makes a speech tokenizer assign generated speech the units it was synthesized from."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import NonNegativeFloat
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import UnitTokenizer


class UnitConsistencyLoss(nn.Module):
    """Cross entropy between the phonetic units predicted from generated speech and the units it was generated from.

    The tokenizer is frozen; the gradient flows through its encoder and quantizer. Blanks of a CTC quantizer are
    ignored.

    Args:
        tokenizer: Tokenizer whose units the vocoder synthesizes.
        weight: Weight of the loss; for comparison, the mel loss has weight 45 by default.

    Raises:
        ValueError: If the first stream of the tokenizer is not extracted by ``PhoneticUnits``.
    """

    def __init__(self, tokenizer: UnitTokenizer, weight: NonNegativeFloat = 3.0) -> None:
        super().__init__()
        self.weight = weight
        extractor = next(iter(tokenizer.extractors.values()))
        if not isinstance(extractor, PhoneticUnits):
            raise ValueError(
                f"the first stream of the tokenizer is of {type(extractor).__name__}: want zoo.speech.phonetic_units."
                "PhoneticUnits, through whose encoder and quantizer a gradient can flow"
            )
        # A list, so that encoder and quantizer are no submodules: their weights are neither trained nor saved.
        self._frozen = [(extractor.encoder.requires_grad_(False), extractor.quantizer.requires_grad_(False))]

    def forward(self, generated: Tensor, batch: dict[str, Any]) -> Tensor:
        """Return the cross entropy in nats per unit.

        Args:
            generated: Generated speech (B, N).
            batch: Batch with the entry ``units``: units (B, T) of each stream by prefix, the phonetic stream first.
        """
        units = next(iter(batch["units"].values()))
        device = generated.device
        encoder, quantizer = self._frozen[0]
        # No gradient could flow through weights that were moved in inference mode, in which validation runs.
        with torch.inference_mode(False):
            encoder = encoder.to(device)
            quantizer = quantizer.to(device)
        with torch.autocast(device.type, enabled=False):
            features = torch.stack(encoder.batch(list(generated.float())))  # (B, T, dim)
            log_probs = quantizer.log_probs(features)[..., : quantizer.size].log_softmax(-1)  # (B, T, units)
        frames = min(log_probs.shape[1], units.shape[1])  # an encoder may have no frame for the very end
        predictions = log_probs[:, :frames].flatten(0, 1)
        targets = units[:, :frames].flatten()
        return F.nll_loss(predictions, targets, ignore_index=quantizer.size)
