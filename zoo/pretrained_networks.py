"""Networks of transformers from a folder or the hub, with exactly the weights that their configuration describes."""

import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.utils import logging

from zoo.files import read_json_object
from zoo.model_folders import check_model
from zoo.weights import names_in_short, read_shapes

INDEX = "model.safetensors.index.json"
DIGITS = re.compile(r"\d+")
MAX_REASON_LENGTH = 300
# What transformers raises for damaged files; a cut pickle can raise any of them.
ERRORS = (SafetensorError, OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, RuntimeError)


def read_pretrained_config(source: str | Path) -> PretrainedConfig:
    """Read the configuration of a checkpoint.

    Args:
        source: Name or folder of a checkpoint.

    Raises:
        FileNotFoundError: If there is no checkpoint of this name.
        ValueError: If its configuration cannot be read, or names code of the hub.
    """
    check_model(source)
    try:
        return AutoConfig.from_pretrained(str(source), trust_remote_code=False)
    except OSError as error:
        raise FileNotFoundError(f"no checkpoint of transformers at {str(source)!r} ({first_line(error)})") from error
    except ERRORS as error:
        raise ValueError(f"{source}: transformers cannot read config.json ({first_line(error)})") from error


def read_network(
    network_class: Any,
    source: str | Path,
    config: PretrainedConfig | None = None,
    dtype: torch.dtype | None = torch.float32,
    optional: Iterable[str] = (),
    unexpected: Literal["none", "parts", "all"] = "parts",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Read a network and all of its weights, none of which stays random.

    Args:
        network_class: Class of transformers, such as ``AutoModel``.
        source: Name or folder of the checkpoint.
        config: Configuration of the network. Defaults to the checkpoint's own.
        dtype: Data type of the weights; None for the checkpoint's own.
        optional: Beginnings of the names of weights that the checkpoint may lack, since they are not used.
        unexpected: Weights that the checkpoint may have and the network has not: ``none`` in folders that this zoo
            wrote; ``parts`` such as other heads, but no further layers; ``all`` if layers were left out on purpose.
        options: More arguments of ``from_pretrained``.

    Raises:
        FileNotFoundError: If there is no such checkpoint, or a file of it is missing.
        ValueError: If a file is cut off, damaged or foreign, or weights are missing, which transformers would fill
            with random numbers, or of another shape.
    """
    check_checkpoint(source)
    try:
        with _without_load_report():
            network, report = network_class.from_pretrained(
                str(source),
                **({} if config is None else {"config": config}),
                **({} if dtype is None else {"dtype": dtype}),
                **dict(options or {}),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, in one line
                trust_remote_code=False,
            )
    except torch.OutOfMemoryError:
        raise
    except OSError as error:
        raise FileNotFoundError(f"{source}: no checkpoint that transformers can read ({first_line(error)})") from error
    except ERRORS as error:
        raise ValueError(
            f"{source}: transformers cannot load this checkpoint ({first_line(error)}); copy the folder again from "
            "its original"
        ) from error
    _check_report(source, network, report, tuple(optional), unexpected)
    return network


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened, or the name of its class if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:MAX_REASON_LENGTH] if lines else type(error).__name__


def check_checkpoint(source: str | Path) -> None:
    """Check that a checkpoint names no code, and that the safetensors files of a local folder are complete.

    Args:
        source: Name or folder of a checkpoint.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is cut off or foreign, or the configuration names code of the hub.
    """
    check_model(source)
    folder = Path(source)
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.safetensors")):
        read_shapes(path)
    if not (folder / INDEX).is_file():
        return
    shards = read_json_object(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict):
        raise ValueError(f"{folder / INDEX}: lacks weight_map; copy the folder again from its original")
    for name in sorted({str(name) for name in shards.values()}):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}, which {INDEX} names: copy the file from the original")


def _check_report(
    source: str | Path,
    network: PreTrainedModel,
    report: Mapping[str, Any],
    optional: tuple[str, ...],
    unexpected: Literal["none", "parts", "all"],
) -> None:
    name = type(network).__name__
    remedy = "the checkpoint is incomplete, or of another architecture than its config.json says"
    missing = [weight for weight in report["missing_keys"] if not weight.startswith(optional)]
    if missing:
        raise ValueError(f"{source}: weight {names_in_short(missing)} of {name} is missing: {remedy}")
    mismatched = [str(entry[0] if isinstance(entry, tuple) else entry) for entry in report["mismatched_keys"]]
    if mismatched:
        raise ValueError(f"{source}: weight {names_in_short(mismatched)} is of another shape than in {name}: {remedy}")
    extra = set(report["unexpected_keys"])
    if unexpected == "parts":
        patterns = {DIGITS.sub("#", weight) for weight in network.state_dict()}
        extra = {weight for weight in extra if DIGITS.sub("#", weight) in patterns}
    if extra and unexpected != "all":
        raise ValueError(f"{source}: weight {names_in_short(extra)} has no place in {name}: {remedy}")


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
