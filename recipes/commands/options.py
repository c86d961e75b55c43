"""Types of command-line options, which refuse a value before any work: numbers by their range, devices, audio files."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recipes.engine.type_conversion import Mismatch, convert, name_of

DEVICE = re.compile(r"(cpu|cuda|mps|xpu)(?::(\d+))?")


def number(hint: Any) -> Callable[[str], float]:
    """Return a type of options that converts text to a number and checks its range.

    Args:
        hint: A type of ``zoo.ranges``.
    """

    def parse(text: str) -> float:
        try:
            return convert(hint, _number(text))
        except Mismatch:
            raise argparse.ArgumentTypeError(f"want {name_of(hint)}, got {text!r}") from None

    return parse


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def device(text: str) -> str:
    """Type of options that name a torch device of this machine."""
    import torch

    match = DEVICE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"want cpu, cuda or cuda:NUMBER, got {text!r}")
    if match[1] == "cuda" and int(match[2] or 0) >= torch.cuda.device_count():
        raise argparse.ArgumentTypeError(f"{text}: this machine has {torch.cuda.device_count()} GPUs; want cpu")
    return text


def audio_file(text: str) -> Path:
    """Type of options that name an audio file to write; ``-`` is left to the command."""
    from zoo.audio import FORMATS

    path = Path(text)
    if text == "-":
        return path
    if path.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text!r}: want a file name that ends in {', '.join(FORMATS)}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: is a folder; name a file in it")
    return path
