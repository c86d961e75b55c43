"""Which tokens may follow, by the modality asked for; needs torch alone, and the modality.json beside it."""

import json
from pathlib import Path

import torch

TOKENS = Path(__file__).with_name("modality.json")


def allowed_ids(to: str) -> list[int]:
    """Ids of ``text``, ``speech`` or ``any``; the end token is among all of them, so that generation can end."""
    tokens = json.loads(TOKENS.read_text())
    first, last = {
        "text": (0, tokens["text"]),
        "speech": (tokens["first_unit"], tokens["used"]),
        "any": (0, tokens["used"]),
    }[to]
    return sorted({*range(first, last), tokens["eos"]} - ({tokens["bos"]} - {tokens["eos"]}))


class ModalityProcessor:
    """A transformers LogitsProcessor: everything but ``allowed_ids`` gets minus infinity."""

    def __init__(self, to: str) -> None:
        self.allowed = torch.tensor(allowed_ids(to))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        masked = torch.full_like(scores, float("-inf"))
        allowed = self.allowed.to(scores.device)
        masked[:, allowed] = scores[:, allowed]
        return masked
