"""The token contract: a JSON file beside every artifact made of tokens, compared when two artifacts are combined."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.files import read_json_object, write_text

FILE = "contract.json"


class ContractError(ValueError):
    """Two artifacts were made with different tokenizers or vocabularies."""


@dataclass(frozen=True)
class _Difference:
    """A field in which two contracts differ.

    Args:
        field: Dotted path of the field, such as ``vocabulary.ranges.Hu``.
        first: Value in the first contract.
        second: Value in the second contract.
    """

    field: str
    first: Any
    second: Any


def checksum(values: Iterable[Any]) -> str:
    """Return a hash (16 hexadecimal digits) of a sequence of arrays, tensors, bytes and JSON-serializable values."""
    digest = hashlib.sha256()
    for value in values:
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, bytes):
            digest.update(value)
        else:
            digest.update(json.dumps(value, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def write_contract(folder: Path, contract: dict[str, Any]) -> None:
    """Write ``contract.json`` into a folder."""
    write_text(folder / FILE, json.dumps(contract, indent=2) + "\n")


def read_contract(folder: Path | str) -> dict[str, Any]:
    """Read ``contract.json`` of a folder.

    Raises:
        FileNotFoundError: The folder has no contract.
        ValueError: The file is damaged, or no contract.
    """
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {FILE} in {folder}: the stage that fills this folder has not finished")
    content = read_json_object(path)
    for part, fields in content.items():
        if not isinstance(fields, dict):
            raise ValueError(f"{path}: {part} is no mapping of names to values; make the folder anew")
    return content


def require_equal(path: Path, stored: dict[str, Any], own: dict[str, Any], part: str) -> None:
    """Check that what was loaded is what its contract states: the weights are those that were saved with it.

    Args:
        path: File of the contract, for the error message.
        stored: Contract in the file.
        own: Contract of what was loaded.
        part: Name of this part in the error message, such as ``tokenizer``.

    Raises:
        ContractError: They differ, so that the folder was changed after it was written.
    """
    # Through JSON, so that tuples compare equal to lists.
    for difference in _differences(stored, json.loads(json.dumps(own)), part):
        raise ContractError(
            f"{path}: {difference.field} is {difference.first!r}, but what lies beside it has {difference.second!r}: "
            "the folder was changed after it was written; copy it again from its original, or make it anew"
        )


def require_match(first: Path | str, second: Path | str) -> None:
    """Raise an error if the contracts of two folders differ in a part that both have.

    Raises:
        ContractError: They differ; the message names both files and the field.
        FileNotFoundError: One of the folders has no contract.
    """
    first = Path(first)
    second = Path(second)
    first_contract = read_contract(first)
    second_contract = read_contract(second)
    for part, content in first_contract.items():
        if part not in second_contract:
            continue
        for difference in _differences(content, second_contract[part], part):
            raise ContractError(
                f"{first / FILE} and {second / FILE} differ in {difference.field}: "
                f"{difference.first!r} against {difference.second!r}; "
                "they were made with different tokenizers: rebuild one with the tokenizer of the other"
            )


def _differences(first: Any, second: Any, field: str) -> Iterator[_Difference]:
    """Yield the innermost fields in which two contracts differ; a field that one of them lacks counts as None."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in first | second:
            yield from _differences(first.get(key), second.get(key), f"{field}.{key}")
    elif first != second:
        yield _Difference(field, first, second)
