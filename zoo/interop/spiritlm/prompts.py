"""Prompts of the official Spirit LM release, and the ids it forbids for each modality asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from zoo.tokens.sentencepiece_tokenizer import SPEECH, TEXT, SentencePieceText

MODALITIES = ("TEXT", "SPEECH", "ARBITRARY")
MARKERS = {"TEXT": TEXT, "SPEECH": SPEECH}

Hear = Callable[[Tensor | Path | str], str]


def modality(name: str, known: Sequence[str] = MODALITIES) -> str:
    """The modality of that name, in capitals whatever the case it is given in.

    Raises:
        ValueError: At another name.
    """
    if not isinstance(name, str) or name.upper() not in known:
        raise ValueError(f"modality {name!r}: want one of {', '.join(known)}")
    return name.upper()


def build_prompt(inputs: Sequence[tuple[str, Any]], to: str, hear: Hear) -> str:
    """Join texts and speech, with a marker where the modality changes and, last, that of the modality asked for.

    Args:
        inputs: Pairs of ``TEXT`` or ``SPEECH`` and a text or what ``hear`` takes.
        to: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
        hear: Speech to a string of units.

    Raises:
        ValueError: At anything but such pairs, or an unknown modality.
    """
    to, last, parts = modality(to), "", []
    for item in inputs:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise ValueError(f"input {item!r}: want a pair such as ('text', 'he said')")
        kind = modality(item[0], tuple(MARKERS))
        parts += [MARKERS[kind]] * (kind != last) + [item[1] if kind == "TEXT" else hear(item[1])]
        last = kind
    return "".join(parts) + (MARKERS[to] if to in MARKERS and to != last else "")


def forbidden_ids(
    text: SentencePieceText,
    markers: bool = False,
    only_speech: bool = False,
    only_text: bool = False,
    expressive: bool = False,
) -> list[int]:
    """Ids that generation is kept from, before the end piece is taken out again.

    Args:
        text: Tells which ids are what.
        markers: Forbid ``[Text]`` and ``[Speech]``.
        only_speech: Forbid text pieces.
        only_text: Forbid phonetic units.
        expressive: With ``only_text``, forbid pitch and style units too.

    Raises:
        ValueError: Where both ``only_speech`` and ``only_text`` leave nothing.
    """
    if only_speech and only_text:
        raise ValueError("only_speech and only_text together leave nothing to generate")
    first = len(text) + 2
    phonetic = text.units["Hu"]
    all_units = sum(text.units.values()) if expressive else phonetic
    return [
        *(range(len(text)) if only_speech else ()),
        *(range(len(text), first) if markers else ()),
        *(range(first, first + all_units) if only_text else ()),
    ]


def forbidden_for(text: SentencePieceText, to: str) -> list[int]:
    """What a modality forbids: markers and units for TEXT, markers and text pieces for SPEECH, nothing for ARBITRARY."""
    to = modality(to)
    return forbidden_ids(text, to != "ARBITRARY", to == "SPEECH", to == "TEXT", expressive=True)


class Forbid(LogitsProcessor):
    """Takes out forbidden ids and, since nothing can read them, the padding rows; the end piece is always allowed.

    Args:
        ids: Forbidden.
        text: Tells the end piece and how many ids there are.
        num_rows: Of the embedding.
    """

    def __init__(self, ids: Sequence[int], text: SentencePieceText, num_rows: int) -> None:
        self.forbidden = torch.zeros(num_rows, dtype=torch.bool)
        self.forbidden[list(ids)] = True
        self.forbidden[text.eos] = False
        self.forbidden[text.pieces.get_piece_size() :] = True

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits (B, V) with the forbidden ones at minus infinity."""
        return scores.masked_fill(self.forbidden.to(scores.device), float("-inf"))
