"""Checkpoints of the official release: read without executing code in them, and compared tensor by tensor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.weights import read_torch_file

MAX_SHOWN_NAMES = 3


def read_checkpoint(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """Read a file of tensors and plain containers.

    Args:
        path: File written by ``torch.save``.
        keys: Keys that the file must have.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint, contains objects whose loading would execute code, or lacks a key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it is part of the official release's checkpoints")
    checkpoint = read_torch_file(path)
    is_dict = isinstance(checkpoint, dict)
    for key in keys:
        if not is_dict or key not in checkpoint:
            content = ", ".join(map(str, checkpoint)) if is_dict else type(checkpoint).__name__
            raise ValueError(f"{path}: no {key!r} in it; there is {content}")
    return checkpoint


def match_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    source_names: Mapping[str, str] | None = None,
    configuration: str = "the file's configuration",
) -> None:
    """Raise ValueError unless a checkpoint and a network have tensors of the same names and shapes.

    Args:
        path: File of the checkpoint, for the error message.
        tensors: Tensors of the checkpoint by their names in the network; unknown ones by their names in the file.
        expected: Tensors of the network by name.
        source_names: Names in the file by names in the network, for the error message. Defaults to the same names.
        configuration: Where the sizes of the network come from, for the error message.
    """
    source_names = source_names or {}
    _require_no_names(path, "unknown", tensors.keys() - expected.keys(), source_names)
    _require_no_names(path, "no", expected.keys() - tensors.keys(), source_names)
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"{path}: {source_names.get(name, name)} is of shape {tuple(tensor.shape)}, "
                f"but {configuration} asks for {tuple(expected[name].shape)}"
            )


def _require_no_names(path: Path, problem: str, names: set[str], source_names: Mapping[str, str]) -> None:
    if names:
        shown = sorted(source_names.get(name, name) for name in names)
        ellipsis = " ..." if len(shown) > MAX_SHOWN_NAMES else ""
        raise ValueError(f"{path}: {problem} tensor {', '.join(shown[:MAX_SHOWN_NAMES])}{ellipsis}")
