"""Checkpoints of the official release: read without running anything, and matched tensor by tensor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def read_checkpoint(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """Read a file of tensors and plain containers.

    Args:
        path: Written by ``torch.save``.
        keys: What it must hold.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, holds objects that would run code, or lacks a key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it is part of the official release's checkpoints")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is no checkpoint fails in whatever way its bytes happen to lead to
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"{path}: not a checkpoint of tensors and plain values alone ({reason[0][:150] if reason else 'empty file'})"
        ) from error
    missing = [key for key in keys if not isinstance(found, dict) or key not in found]
    if missing:
        raise ValueError(
            f"{path}: no {missing[0]!r} in it; there is {', '.join(map(str, found)) if isinstance(found, dict) else type(found).__name__}"
        )
    return found


def match_tensors(
    path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source_names: Mapping[str, str]
) -> None:
    """Raise ValueError unless both have the same names and shapes.

    Args:
        path: For the message.
        found: Tensors under the names of the network that takes them; unknown ones under their own.
        wanted: The network's.
        source_names: The name in the file of each that was renamed.
    """
    for word, names in (("unknown", found.keys() - wanted.keys()), ("no", wanted.keys() - found.keys())):
        if names:
            shown = sorted(source_names.get(name, name) for name in names)
            raise ValueError(f"{path}: {word} tensor {', '.join(shown[:3])}{' ...' if len(shown) > 3 else ''}")
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise ValueError(
                f"{path}: {source_names.get(name, name)} is of shape {tuple(value.shape)}, "
                f"but the file's configuration asks for {tuple(wanted[name].shape)}"
            )
