"""Prompts of the official Spirit LM release, and the token ids that it forbids for each output modality."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from zoo.tokens.sentencepiece_tokenizer import SPEECH, TEXT, SentencePieceText

MODALITIES = ("TEXT", "SPEECH", "ARBITRARY")
MARKERS = {"TEXT": TEXT, "SPEECH": SPEECH}

# Encodes a waveform or an audio file as a string of units, such as "[Hu12][Hu7]".
SpeechToString = Callable[[Tensor | Path | str], str]


def parse_modality(name: str, known: Sequence[str] = MODALITIES) -> str:
    """Return the name of a modality in upper case.

    Args:
        name: Name in any case.
        known: Names that are accepted, in upper case.

    Raises:
        ValueError: The name is not one of ``known``.
    """
    if not isinstance(name, str) or name.upper() not in known:
        raise ValueError(f"modality {name!r}: want one of {', '.join(known)}")
    return name.upper()


def build_prompt(inputs: Sequence[tuple[str, Any]], to: str, encode_speech: SpeechToString) -> str:
    """Join texts and speech, with a marker at each change of modality and, last, that of the output.

    Args:
        inputs: Pairs of ``TEXT`` and a text, or ``SPEECH`` and what ``encode_speech`` accepts.
        to: Modality of the output: ``TEXT``, ``SPEECH`` or ``ARBITRARY``.
        encode_speech: Encodes speech as a string of units.

    Raises:
        ValueError: An input is not such a pair, or a modality is unknown.
    """
    to = parse_modality(to)
    previous = ""
    parts = []
    for item in inputs:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise ValueError(f"input {item!r}: want a pair such as ('text', 'he said')")
        modality = parse_modality(item[0], tuple(MARKERS))
        if modality != previous:
            parts.append(MARKERS[modality])
        parts.append(item[1] if modality == "TEXT" else encode_speech(item[1]))
        previous = modality
    if to in MARKERS and to != previous:
        parts.append(MARKERS[to])
    return "".join(parts)


def forbidden_ids(
    text: SentencePieceText,
    markers: bool = False,
    only_speech: bool = False,
    only_text: bool = False,
    expressive: bool = False,
) -> list[int]:
    """Return the ids that the release forbids in generation, the end token among them.

    Args:
        text: Tokenizer of the ids.
        markers: Whether ``[Text]`` and ``[Speech]`` are forbidden.
        only_speech: Whether text tokens are forbidden.
        only_text: Whether phonetic units are forbidden.
        expressive: Whether ``only_text`` forbids pitch and style units, too.

    Raises:
        ValueError: ``only_speech`` and ``only_text`` together leave nothing to generate.
    """
    if only_speech and only_text:
        raise ValueError("only_speech and only_text together leave nothing to generate")
    num_text = len(text)
    first_unit = num_text + len(MARKERS)
    num_units = sum(text.units.values()) if expressive else text.units["Hu"]
    ids: list[int] = []
    if only_speech:
        ids += range(num_text)
    if markers:
        ids += range(num_text, first_unit)
    if only_text:
        ids += range(first_unit, first_unit + num_units)
    return ids


def forbidden_for(text: SentencePieceText, to: str) -> list[int]:
    """Return the ids that an output modality forbids.

    Markers and units are forbidden for ``TEXT``, markers and text tokens for ``SPEECH``, nothing for ``ARBITRARY``.
    """
    to = parse_modality(to)
    return forbidden_ids(
        text, markers=to != "ARBITRARY", only_speech=to == "SPEECH", only_text=to == "TEXT", expressive=True
    )


class ForbiddenTokens(LogitsProcessor):
    """Sets the logits of forbidden ids, and of the padding rows of the embedding, to minus infinity.

    Args:
        ids: Forbidden ids; the end token is allowed even if it is among them.
        text: Tokenizer of the ids.
        num_rows: Number of rows of the embedding, V.
    """

    def __init__(self, ids: Sequence[int], text: SentencePieceText, num_rows: int) -> None:
        self.forbidden = torch.zeros(num_rows, dtype=torch.bool)
        self.forbidden[list(ids)] = True
        self.forbidden[text.eos] = False
        self.forbidden[text.pieces.get_piece_size() :] = True

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the masked logits (B, V)."""
        return scores.masked_fill(self.forbidden.to(scores.device), float("-inf"))
