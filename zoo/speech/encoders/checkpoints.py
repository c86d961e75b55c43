"""Reading of transformers checkpoints: configuration, feature extractor and weights, or one line that says why not."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from zoo.model_folders import check_model


def read_configuration(source: str) -> PretrainedConfig:
    """Read the configuration of a checkpoint.

    Args:
        source: Name or folder of a checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint of this name.
        ValueError: If its configuration cannot be read.
    """
    check_model(source)
    try:
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except OSError as error:
        raise FileNotFoundError(
            f"no speech encoder at {source!r}: name a folder with config.json and weights in the format of "
            f"transformers, or a checkpoint of the Hugging Face hub ({_first_line(error)})"
        ) from error
    except (ValueError, KeyError) as error:
        raise ValueError(f"{source}: transformers cannot read config.json ({_first_line(error)})") from error


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
        return None


def read_network(
    network_class: Any, source: str, config: PretrainedConfig, optional: Iterable[str] = ()
) -> PreTrainedModel:
    """Read the weights of a checkpoint in float32.

    Args:
        network_class: Class of transformers, such as ``AutoModel``.
        source: Name or folder of the checkpoint.
        config: Configuration of the network, perhaps with fewer layers than the checkpoint has.
        optional: Beginnings of the names of weights that the checkpoint may lack, since they are not used.

    Raises:
        ValueError: If weights are missing, which transformers would fill with random numbers.
    """
    with _without_load_report():
        network, info = network_class.from_pretrained(
            source, config=config, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
        )
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(tuple(optional)))
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(
            f"{source}: weight {missing[0]}{others} of {type(network).__name__} is missing: the checkpoint is "
            "incomplete, or of another architecture than its config.json says"
        )
    return network


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
    truncate(config, source)
    return read_network(AutoModel, source, config, optional), source


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


@contextmanager
def _without_load_report() -> Generator[None]:
    """Suppress the progress bar and the table of unused weights that transformers prints."""
    verbosity = logging.get_verbosity()
    shows_progress = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shows_progress:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
