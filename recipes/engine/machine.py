"""Check that this machine has the devices and the memory that the nodes of a recipe ask for."""

import json
import logging
import os
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from recipes.engine.agreement import LLAMA, NodeAt
from recipes.engine.library_ranges import with_library_ranges
from recipes.engine.nodes import TARGET, is_node, items_of
from recipes.engine.type_conversion import convert
from zoo.error_messages import one_line
from zoo.processes import usable_cores

TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
GPU_NAMES = ("gpu", "cuda")
# Weight, gradient and the two averages of AdamW, in float32.
BYTES_PER_TRAINED_WEIGHT = 16
GIB = 2**30
# Activations of a training step, in float32, at the least.
FLOATS_PER_SAMPLE = 20
FLOATS_PER_TOKEN = 1000


def device_problems(node: NodeAt) -> list[tuple[str, str]]:
    """Return path and problem of a trainer that asks for more devices than there are."""
    if node.home != TRAINER:
        return []
    devices = node.arguments["devices"]
    wanted = len(devices) if isinstance(devices, list) else devices
    if isinstance(wanted, str) and wanted.isdigit():
        wanted = int(wanted)
    available, kind = _available(node.arguments["accelerator"])
    if not isinstance(wanted, int) or wanted <= available:
        return []
    return [(f"{node.at}.devices", f"={devices}: this machine has {available} {kind}; want at most {available}")]


def lacks_gpu(node: NodeAt) -> bool:
    """Whether a node is a trainer on GPUs, and this machine has none."""
    return node.home == TRAINER and node.arguments["accelerator"] in GPU_NAMES and _num_gpus() == 0


def trainer_problems(node: NodeAt, forks: bool) -> list[tuple[str, str]]:
    """Return path and problem of a trainer that Lightning refuses.

    Args:
        node: Any node.
        forks: Whether stages are forked from this process, which must then not use a GPU.
    """
    if node.home != TRAINER or (forks and _num_gpus()):
        return []
    plain = {}
    for key, value in node.arguments.items():
        if key != TARGET and not _holds_node(value):
            plain[key] = value
    problem = _refusal(json.dumps(plain, sort_keys=True))
    return [(node.at, f": {problem}")] if problem else []


@lru_cache
def _refusal(arguments: str) -> str:
    """Return what Lightning says against the arguments of a trainer, a JSON object; empty if it takes them."""
    import lightning

    known = with_library_ranges(lightning.Trainer).arguments
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lightning.Trainer(**{key: convert(known[key].hint, value) for key, value in json.loads(arguments).items()})
    except Exception as error:  # Lightning raises errors of many kinds about its arguments
        return one_line(error)
    finally:
        log.setLevel(level)
    return ""


def _holds_node(value: Any) -> bool:
    return is_node(value) or any(_holds_node(inner) for _, inner in items_of(value))


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _available(accelerator: Any) -> tuple[int, str]:
    """Return the number of devices of an accelerator on this machine, and what they are called."""
    gpus = _num_gpus()
    if accelerator in GPU_NAMES or (accelerator == "auto" and gpus):
        return gpus, "GPUs" if gpus != 1 else "GPU"
    cores = usable_cores()
    return cores, "CPU cores" if cores != 1 else "CPU core"


def memory_problems(node: NodeAt) -> list[tuple[str, str]]:
    """Return a problem where a network or a batch is larger than all memory, counted at its least."""
    needed = 0.0
    key = ""
    values = node.arguments
    if node.home == LLAMA:
        width = values["hidden_size"]
        inner = values["intermediate_size"] or width * 8 / 3
        needed = BYTES_PER_TRAINED_WEIGHT * values["num_layers"] * (2 * width**2 + 3 * width * inner)
        key = "hidden_size"
    elif "batch_size" in values:
        needed = 4.0 * values["batch_size"] * _item_floats(values)
        key = "batch_size"
    if not needed or needed <= _machine_bytes():
        return []
    return [(f"{node.at}.{key}", f"={values[key]}: {_too_large(needed)}")]


def too_large(weights: int) -> str:
    """Return the problem with training so many weights on this machine; empty if there is none."""
    needed = BYTES_PER_TRAINED_WEIGHT * weights
    return _too_large(needed) if needed > _machine_bytes() else ""


def _too_large(needed: float) -> str:
    memory = _machine_bytes() / GIB
    return f"would take {needed / GIB:,.0f} GiB at least, and this machine has {memory:,.0f} GiB; make it smaller"


def _item_floats(values: Mapping[str, Any]) -> float:
    """Return the activations of a training step for one item of a batch, at the least."""
    samples = 1.0
    if "sequence_length" in values:
        return FLOATS_PER_TOKEN * values["sequence_length"]
    if "segment_samples" in values:
        samples = values["segment_samples"]
    elif "crop_seconds" in values:
        samples = values["crop_seconds"] * values["sample_rate"]
    elif "segment_units" in values:
        samples = values["segment_units"] * values["sample_rate"] / max(values["rates"].values(), default=1.0)
    return FLOATS_PER_SAMPLE * samples


def _machine_bytes() -> float:
    """Return the memory of this machine and of its GPUs, in bytes; that of a GPU is taken to be 200 GiB."""
    main = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return main + _num_gpus() * 200 * GIB
