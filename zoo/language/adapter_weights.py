"""Weights of an adapter, checked before and after PEFT reads them, which would fill missing ones at random."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict

from zoo.files import reading
from zoo.model_folders import check_adapter
from zoo.weights import read_shapes, require_same_shapes, shapes_of

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


def is_adapter(folder: Path) -> bool:
    """Return whether a ``model`` folder contains an adapter rather than a whole network."""
    return (folder / CONFIG).is_file()


def require_adapter(folder: Path) -> None:
    """Check that a folder contains an adapter whose files can be read.

    Raises:
        FileNotFoundError: The folder contains no adapter.
        ValueError: A file is damaged or of another kind.
    """
    if not is_adapter(folder):
        raise FileNotFoundError(f"no {CONFIG} in {folder}: name the `model` folder of a stage that trained an adapter")
    check_adapter(folder / CONFIG)
    read_shapes(folder / WEIGHTS)


def path_beside(source: str, folder: Path) -> dict[str, str]:
    """Return the entry of ``base.json`` by which the base is found if both are moved; empty if it is no folder."""
    return {"beside": os.path.relpath(source, folder)} if source and Path(source).is_dir() else {}


def base_of(description: Mapping[str, Any], folder: Path) -> str:
    """Return the base that ``base.json`` names: where it was in training, or where it is now if both were moved.

    Args:
        description: Content of ``base.json``.
        folder: Folder of the adapter.
    """
    source = str(description["source"] or "")
    beside = description.get("beside")
    if beside and not Path(source).is_dir() and (folder / beside).is_dir():
        return os.path.normpath(folder / beside)
    return source


@contextmanager
def loading_adapter(folder: Path, base: str | Path) -> Generator[None, None, None]:
    """Turn the errors of PEFT in a block that loads an adapter into one line.

    Args:
        folder: Folder of the adapter.
        base: Name or folder of the network that it is added to.

    Raises:
        ValueError: The configuration of the adapter cannot be used, or it was trained for another network.
    """
    with reading(folder / CONFIG):
        try:
            yield
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise ValueError(f"{folder} was trained for another network than {base}: {reason}") from error


def require_adapter_weights(network: PeftModel, folder: Path, name: str) -> None:
    """Check that all weights of a loaded adapter came from its file, and that none of the file is left over.

    Args:
        network: Network with the adapter.
        folder: Folder of the adapter.
        name: Name of the adapter in the network.

    Raises:
        ValueError: The file has not the weights that its configuration asks for.
    """
    expected = get_peft_model_state_dict(network, adapter_name=name, save_embedding_layers=False)
    require_same_shapes(folder / WEIGHTS, read_shapes(folder / WEIGHTS), shapes_of(expected))
