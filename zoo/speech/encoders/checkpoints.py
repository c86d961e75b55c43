"""Configuration and feature extractor of pretrained speech encoders, or one line that says why not."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from transformers import AutoFeatureExtractor, AutoModel, PretrainedConfig, PreTrainedModel

from zoo.files import read_json_object
from zoo.pretrained_networks import ERRORS, first_line, read_network, read_pretrained_config

PREPROCESSOR = "preprocessor_config.json"


def read_configuration(source: str) -> PretrainedConfig:
    """Read the configuration of a speech encoder.

    Args:
        source: Name or folder of a checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint of this name.
        ValueError: If its configuration cannot be read.
    """
    try:
        return read_pretrained_config(source)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no speech encoder at {source!r}: name a folder with config.json and weights in the format of "
            f"transformers, or a checkpoint of the Hugging Face hub ({first_line(error)})"
        ) from error


def read_feature_extractor(source: str) -> Any | None:
    """Read the feature extractor that is saved with a checkpoint; None if there is none.

    Args:
        source: Name or folder of a checkpoint; empty for a network that was not loaded from one.
    """
    if not source:
        return None
    try:
        return AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False)
    except OSError:  # a folder without preprocessor_config.json
        if (Path(source) / PREPROCESSOR).is_file():
            read_json_object(Path(source) / PREPROCESSOR)
        return None
    except ERRORS as error:
        raise ValueError(f"{source}: transformers cannot read {PREPROCESSOR} ({first_line(error)})") from error


def read_truncated(
    source: str | PreTrainedModel, truncate: Callable[[PretrainedConfig, str], None], optional: Iterable[str]
) -> tuple[PreTrainedModel, str]:
    """Return the network of a checkpoint with the layers that are kept, and the name of the checkpoint.

    Args:
        source: Name or folder of a checkpoint, of which only these layers are read; or the network itself, of which
            the configuration alone is changed.
        truncate: Changes a configuration to that of the kept layers; its second argument is the name.
        optional: Beginnings of the names of weights that the checkpoint may lack, since they are not used.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the checkpoint is incomplete.
    """
    if isinstance(source, PreTrainedModel):
        network = cast(PreTrainedModel, source.base_model)
        name = str(network.config.name_or_path)
        truncate(network.config, name)
        return network, name
    config = read_configuration(source)
    num_layers = config.num_hidden_layers
    truncate(config, source)
    unexpected = "parts" if config.num_hidden_layers == num_layers else "all"
    return read_network(AutoModel, source, config, optional=optional, unexpected=unexpected), source


def check_model_type(config: PretrainedConfig, supported: Sequence[str], source: str) -> None:
    """Check that a checkpoint is of a supported kind.

    Args:
        config: Configuration of the checkpoint.
        supported: Supported values of ``model_type``.
        source: Name of the checkpoint, for the error message.

    Raises:
        ValueError: If it is of another kind.
    """
    if config.model_type not in supported:
        raise ValueError(
            f"{source} is a checkpoint of model_type {config.model_type!r}; supported here: {', '.join(supported)}"
        )


def check_layer(layer: int | None, num_layers: int, source: str) -> None:
    """Check that a checkpoint has a layer.

    Args:
        layer: Layer whose output is wanted; None for the last.
        num_layers: Number of layers of the checkpoint.
        source: Name of the checkpoint, for the error message.

    Raises:
        ValueError: If it has no such layer.
    """
    if layer is not None and not 1 <= layer <= num_layers:
        raise ValueError(f"layer is {layer}, but {source} has layers 1 to {num_layers}")
