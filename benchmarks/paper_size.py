"""Measure a training step of each paper-size recipe on one GPU; for language models see ``train_lm.py``.

    python benchmarks/paper_size.py [--only vocoder] [--steps 12] [--precision bf16-mixed] [--tiny]

Networks, batch shapes, precision and gradient accumulation are read from the bundled recipes. Checkpoints are replaced
by the same architecture with random weights, and batches by noise of their shape in memory: loading, augmenting and
moving audio is not included, nor validation, nor communication between GPUs. GPU-hours are the recipe's ``max_steps``
at the median step, extrapolated from those few, for all of its GPUs together. ``--precision`` replaces the recipe's.
``--tiny`` shrinks the networks, to try this file where there is no GPU.
"""

import argparse
import re
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from omegaconf import OmegaConf
from synthetic_inputs import NUM_STYLES, SMALL, make_batch, write_inputs
from torch.utils.data import DataLoader, IterableDataset
from transformers.utils import logging

from lightningmodules.callbacks import SeededSteps
from recipes.engine.builder import Builder
from recipes.engine.bundled import find
from recipes.engine.recipe import load

WARMUP = 3  # steps that are not measured
STAGES = [
    ("units/hubert_pretraining", "stage_1"),
    ("units/hubert_pretraining", "stage_2"),
    ("units/ctc_quantizer", "round_1"),
    ("prosody/pitch", "pitch"),
    ("prosody/style", "classifier"),
    ("vocoder/base", "vocoder"),
    ("vocoder/expressive", "vocoder"),
    ("vocoder/base_istft", "vocoder"),
]
FEW = [
    "data.batch_size=2",
    "model.discriminators.families.0.channels=4",
    "model.discriminators.families.1.channels=16",
]
TINY = {
    "units/hubert_pretraining": [
        "data.buckets.batch_seconds=8",
        "data.buckets.max_seconds=2",
        *(f"network.{name}={value}" for name, value in SMALL.items()),
    ],
    "units/ctc_quantizer": [
        "data.buckets.batch_seconds=8",
        "data.buckets.max_seconds=2",
        "layer=2",
        "network.widths=[32, 24, 16, 501]",
    ],
    "prosody/pitch": [],
    "prosody/style": ["data.batch_size=2", "model.head.dim=32"],
    "vocoder/base": [*FEW, "network.backbone.channels=32"],
    "vocoder/expressive": [*FEW, "network.backbone.channels=32"],
    "vocoder/base_istft": [*FEW, "network.backbone.channels=32", "network.backbone.hidden=64"],
}


class RepeatedBatch(IterableDataset):
    def __init__(self, batch: dict[str, Any]) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.batch


class RepeatedBatchDataModule(L.LightningDataModule):
    """One batch, repeated endlessly, with the attributes that the LightningModules read from a data module."""

    style_seconds = torch.ones(NUM_STYLES)
    speakers = ("a", "b", "c", "d")

    def __init__(self, batch: dict[str, Any], has_styles: bool) -> None:
        super().__init__()
        self.batch = batch
        self.augmentations: dict[str, Any] = {}
        self.styles = [f"style {number}" for number in range(NUM_STYLES)] if has_styles else []

    def train_dataloader(self) -> DataLoader:
        return DataLoader(RepeatedBatch(self.batch), batch_size=None)


class StepTimer(L.Callback):
    """Measures the duration of each optimizer step in seconds."""

    def __init__(self, is_gpu: bool) -> None:
        self.is_gpu = is_gpu
        self.seconds: list[float] = []
        self.start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if self.is_gpu:
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.start)
        self.start = time.perf_counter()


@dataclass(frozen=True)
class Cost:
    """Cost of training steps on one GPU.

    Args:
        parameters: Number of parameters.
        trainable: Number of those that are trained.
        seconds: Duration of each step.
        audio: Seconds of audio in a step.
        memory: Peak memory in GiB; NaN without a GPU.
    """

    parameters: int
    trainable: int
    seconds: np.ndarray
    audio: float
    memory: float


def measure(model: L.LightningModule, stage: dict[str, Any], precision: str, num_steps: int, folder: Path) -> Cost:
    batch, audio_seconds = make_batch(stage["data"])
    is_gpu = torch.cuda.is_available()
    timer = StepTimer(is_gpu)
    accumulate = stage["trainer"].get("accumulate_grad_batches", 1)
    parameters = sum(weight.numel() for weight in model.parameters())
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    if is_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    trainer = L.Trainer(
        accelerator="gpu" if is_gpu else "cpu",
        devices=1,
        precision=precision,
        accumulate_grad_batches=accumulate,
        max_steps=WARMUP + num_steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[SeededSteps(), timer],
    )
    trainer.fit(model, RepeatedBatchDataModule(batch, "StyleDataModule" in stage["data"]["_target_"]))
    memory = torch.cuda.max_memory_allocated() / 2**30 if is_gpu else float("nan")
    return Cost(parameters, trainable, np.array(timer.seconds[WARMUP:]), accumulate * audio_seconds, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only recipes whose names contain this")
    parser.add_argument("--steps", type=int, default=12, help="measured steps, after the warm-up")
    parser.add_argument("--precision", help="instead of the recipe's, such as bf16-mixed")
    parser.add_argument("--tiny", action="store_true", help="shrink the networks")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    getLogger("lightning.pytorch").setLevel(ERROR)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    size = "; tiny networks" if args.tiny else ""
    print(f"{device}, torch {torch.__version__}; medians of {args.steps} steps, random weights, noise{size}\n")
    print(
        f"{'recipe, stage':<34} {'parameters, trainable':>22}  {'audio a step':>12}  {'s a step (range)':>24}  "
        f"{'audio s/s':>9}  {'GiB':>5}  {'steps x GPUs':>12}  GPU-hours"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        inputs = write_inputs(folder, args.tiny)
        for name, stage in STAGES:
            if args.only not in name:
                continue
            try:
                show(name, stage, inputs + (TINY[name] if args.tiny else []), args, folder)
            except Exception as error:  # a network that does not fit must not hide the cost of the next one
                print(f"{name}, {stage}: {error!r}"[:1000], flush=True)


def show(name: str, stage_name: str, overrides: list[str], args: argparse.Namespace, folder: Path) -> None:
    """Measure one stage of a recipe, and print a line of the table."""
    keys = OmegaConf.load(find(name)).keys()
    recipe = load(name, [override for override in overrides if re.split("[.=]", override)[0] in keys])
    stage = OmegaConf.to_container(recipe.config, resolve=True)["stages"][stage_name]
    build = Builder(recipe)
    precision = args.precision or "32-true"
    if args.precision is None and "precision" in stage["trainer"]:
        precision = build(f"stages.{stage_name}.trainer.precision")
    cost = measure(build(f"stages.{stage_name}.model"), stage, precision, args.steps, folder)
    step = np.median(cost.seconds)
    num_gpus = stage["trainer"].get("devices", 1)
    max_steps = stage["trainer"]["max_steps"]
    seconds = f"{step:.4f} ({cost.seconds.min():.4f} to {cost.seconds.max():.4f})"
    print(
        f"{name + ', ' + stage_name:<34} {cost.parameters / 1e6:10.2f}M, {cost.trainable / 1e6:8.2f}M  "
        f"{cost.audio:10.1f} s  {seconds:>24}  {cost.audio / step:9.0f}  {cost.memory:5.1f}  "
        f"{max_steps:>8} x {num_gpus}  {step * max_steps * num_gpus / 3600:9.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
