"""The token contract: a small JSON beside everything made of tokens, compared wherever two of them meet."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from zoo.files import write_text

FILE = "contract.json"


class ContractError(ValueError):
    """Two things that were made for different tokens."""


def checksum(parts: Iterable[Any]) -> str:
    """Short hash of arrays, tensors, bytes and anything JSON can express, in the order given."""
    digest = hashlib.sha256()
    for part in parts:
        if hasattr(part, "detach"):
            part = part.detach().cpu().numpy()
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            digest.update(part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def write_contract(folder: Path, contract: dict[str, Any]) -> None:
    write_text(folder / FILE, json.dumps(contract, indent=2) + "\n")


def read_contract(folder: Path) -> dict[str, Any]:
    """Raises: FileNotFoundError where the folder holds nothing made of tokens."""
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {FILE} in {folder}: the stage that fills this folder has not finished")
    return json.loads(path.read_text())


def require_match(first: Path, second: Path) -> None:
    """Raise ContractError naming both files and the field, unless all parts that both contracts have are equal."""
    a, b = read_contract(first), read_contract(second)
    for part in a.keys() & b.keys():
        for field, left, right in _differences(a[part], b[part], part):
            raise ContractError(
                f"{first / FILE} and {second / FILE} differ in {field}: {left!r} against {right!r}; "
                "they were made with different tokenizers: rebuild one from the other's"
            )


def _differences(a: Any, b: Any, at: str) -> Iterable[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(k for k in b if k not in a)]:
            yield from _differences(a.get(key), b.get(key), f"{at}.{key}")
    elif a != b:
        yield at, a, b
