"""Check what a recipe asks of this machine, before any stage runs: inputs that exist, devices, memory."""

import os
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from recipes.engine.agreement import LLAMA, NodeAt, nodes_below
from recipes.engine.checkpoint_positions import position_problems
from recipes.engine.nodes import TARGET, content_of, items_of
from recipes.engine.plan import Step
from recipes.engine.recipe import Recipe
from recipes.engine.resolve import written_at
from recipes.engine.signatures import signature
from recipes.engine.trial_builds import try_nodes
from recipes.engine.upstream_stages import stage_of
from zoo.processes import usable_cores

TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
# Weight, gradient and the two averages of AdamW, in float32.
BYTES_PER_TRAINED_WEIGHT = 16
GIB = 2**30
# Activations of a training step, in float32, at the least.
FLOATS_PER_SAMPLE = 20
FLOATS_PER_TOKEN = 1000


def preflight_problems(recipe: Recipe, steps: Sequence[Step]) -> list[str]:
    """Return one line for each input that is missing and each number that this machine cannot provide for.

    Args:
        recipe: A checked recipe.
        steps: Plan of the run; only stages that are to run are checked.
    """
    problems: list[str] = []
    for step in steps:
        if not step.is_to_run:
            continue
        at = f"stages.{recipe.runs[step.name].stage}"
        content = content_of(recipe.view(step.name))
        node = content_of(recipe.node(step.name), resolve=True)
        folders = {name: run.folder for name, run in recipe.runs.items()}
        found = [*_missing_inputs(node, at, recipe, folders)]
        for below in nodes_below(node, at, recipe.targets):
            found += _device_problems(below)
            found += _memory_problems(below)
            found += position_problems(below, recipe.targets)
        problems += [f"{written_at(content, path)}{text}" for path, text in found]
    for at, weights in try_nodes(content_of(recipe.view()), recipe.targets).weights.items():
        needed = BYTES_PER_TRAINED_WEIGHT * weights
        if needed > _machine_bytes():
            problems.append(f"{at}: a network of {weights:,} weights {_too_large(needed)}")
    return [f"{recipe.file}: {problem}" for problem in dict.fromkeys(problems)]


def _missing_inputs(
    node: dict[str, Any], at: str, recipe: Recipe, folders: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield path and problem of each file or folder that a node reads, that no stage writes, and that is not there."""
    known = signature(recipe.targets.locate(node[TARGET])).arguments if TARGET in node else {}
    for key, value in node.items():
        is_input = key in known and isinstance(value, str) and _is_only_path(known[key].hint)
        if is_input and not _is_made(value, folders) and not os.path.exists(value):
            yield f"{at}.{key}", f"={value}: no such file or folder"
        for inner_at, inner in _mappings(value, f"{at}.{key}"):
            yield from _missing_inputs(inner, inner_at, recipe, folders)


def _mappings(value: Any, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the outermost mappings in a value, with their paths."""
    if isinstance(value, dict):
        yield at, value
    elif isinstance(value, list):
        for key, inner in items_of(value):
            yield from _mappings(inner, f"{at}.{key}")


def _is_only_path(hint: Any) -> bool:
    """Whether an argument is a path, or None; a string may also be the name of a checkpoint on the hub."""
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not type(None)]
    return all(isinstance(kind, type) and issubclass(kind, PurePath) for kind in kinds)


def _is_made(path: str, folders: Mapping[str, str]) -> bool:
    """Whether a path lies in the folder of a stage, or contains one."""
    return stage_of(path, folders) is not None or any(PurePath(it).is_relative_to(path) for it in folders.values())


def _device_problems(node: NodeAt) -> list[tuple[str, str]]:
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


def _available(accelerator: Any) -> tuple[int, str]:
    """Return the number of devices of an accelerator on this machine, and what they are called."""
    import torch

    gpus = torch.cuda.device_count()
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and gpus):
        return gpus, "GPUs" if gpus != 1 else "GPU"
    cores = usable_cores()
    return cores, "CPU cores" if cores != 1 else "CPU core"


def _memory_problems(node: NodeAt) -> list[tuple[str, str]]:
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
        samples = values["segment_units"] * values["sample_rate"] / max(values["rates"].values())
    return FLOATS_PER_SAMPLE * samples


def _machine_bytes() -> float:
    """Return the memory of this machine and of its GPUs, in bytes; that of a GPU is taken to be 200 GiB."""
    import torch

    main = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return main + torch.cuda.device_count() * 200 * GIB
