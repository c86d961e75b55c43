"""Reading of safetensors files and checkpoints of torch, or one line that names the file and what is wrong with it."""

import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo.error_messages import one_line
from zoo.files import is_special

MAX_SHOWN_NAMES = 3
MAX_REASON_LENGTH = 200


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file, by name.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut off, empty or no safetensors file.
    """
    _require_file(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(path, "safetensors file", error) from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shape of each tensor of a safetensors file, by name; the values are not read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut off, empty or no safetensors file.
    """
    _require_file(path)
    try:
        with safe_open(path, "pt") as tensors:
            names = tensors.keys()  # the file is no dictionary that could be iterated over
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(path, "safetensors file", error) from error


def read_torch_file(path: Path, mmap: bool = False) -> Any:
    """Read a file that ``torch.save`` wrote, tensors and plain values only, into main memory.

    Args:
        path: File to read.
        mmap: Whether tensors are read only when they are used; the file must not change until then.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut off, empty, of another kind, or has objects whose loading would execute code.
    """
    _require_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # arbitrary bytes can fail at any point of the parser, with any exception
        raise _unreadable(path, "checkpoint of tensors and plain values only", error) from error


def check_torch_file(path: Path) -> None:
    """Check that a file of ``torch.save`` is complete and its content has the checksums that were written with it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is cut off, damaged or of another kind.
    """
    _require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise _unreadable(path, "checkpoint of torch", error) from error
    if damaged is not None:
        raise ValueError(f"{path}: {damaged} in it is damaged (wrong checksum); copy the file again from its original")


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a safetensors file into a module of exactly its weights.

    Args:
        module: Module, whose weights are replaced.
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or has not the names and shapes of the module's weights.
    """
    tensors = read_tensors(path)
    require_same_shapes(path, shapes_of(tensors), shapes_of(module.state_dict()))
    module.load_state_dict(tensors)


def shapes_of(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a state, by name; values that are no tensors are left out."""
    return {name: tuple(value.shape) for name, value in state.items() if isinstance(value, Tensor)}


def require_same_shapes(
    path: Path, stored: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    """Check that a file has the weights of a network.

    Args:
        path: The file, for the error message.
        stored: Shapes in the file, by name.
        expected: Shapes in the network that the configuration describes, by name.

    Raises:
        ValueError: If weights are missing, unexpected or of another shape.
    """
    remedy = "the file and its configuration are not of one model: copy the whole folder again from its original"
    missing = expected.keys() - stored.keys()
    if missing:
        raise ValueError(f"{path}: lacks {names_in_short(missing)}; {remedy}")
    unexpected = stored.keys() - expected.keys()
    if unexpected:
        raise ValueError(f"{path}: has {names_in_short(unexpected)}, which the network has not; {remedy}")
    for name, shape in expected.items():
        if stored[name] != shape:
            raise ValueError(f"{path}: {name} is of shape {stored[name]}, but the network has {shape}; {remedy}")


def names_in_short(names: Collection[str]) -> str:
    """Return the first names in alphabetical order, and how many more there are."""
    shown = sorted(names)[:MAX_SHOWN_NAMES]
    more = f" and {len(names) - len(shown)} more weights" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _require_file(path: Path) -> None:
    if is_special(path):
        raise ValueError(f"{path}: is not a regular file; copy the folder again from its original")
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {path.parent}: copy the whole folder again, or make it anew")


def _unreadable(path: Path, kind: str, error: Exception) -> ValueError:
    size = path.stat().st_size if path.is_file() else 0
    # The first sentence: torch adds advice to load the file in a way that would run its code.
    reason = one_line(error).split(". ")[0][:MAX_REASON_LENGTH]
    if not size:
        reason = "it is empty"
    return ValueError(f"{path}: not a {kind}, or cut off ({reason}); copy it again from its original, or make it anew")
