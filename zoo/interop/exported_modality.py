"""Restriction of generated tokens to a modality; needs torch only, and modality.json in the same folder."""

import json
from pathlib import Path

import torch

TOKENS = Path(__file__).with_name("modality.json")


def allowed_ids(to: str) -> list[int]:
    """Return the token ids of a modality, in increasing order, with the end token so that generation can end.

    Args:
        to: ``text``, ``speech`` or ``any``.
    """
    tokens = json.loads(TOKENS.read_text())
    ranges = {
        "text": (0, tokens["text"]),
        "speech": (tokens["first_unit"], tokens["used"]),
        "any": (0, tokens["used"]),
    }
    first, end = ranges[to]
    allowed = {*range(first, end), tokens["eos"]}
    if tokens["bos"] != tokens["eos"]:
        allowed.discard(tokens["bos"])
    return sorted(allowed)


class ModalityProcessor:
    """A logits processor for transformers that sets all logits outside a modality to minus infinity.

    Args:
        to: Modality to generate: ``text``, ``speech`` or ``any``.
    """

    def __init__(self, to: str) -> None:
        self.allowed = torch.tensor(allowed_ids(to))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the masked logits, of the same shape as ``scores``, (B, V)."""
        masked = torch.full_like(scores, float("-inf"))
        allowed = self.allowed.to(scores.device)
        masked[:, allowed] = scores[:, allowed]
        return masked
