"""What a training step of each paper-size recipe costs on one GPU, language models apart, which benchmarks/train_lm.py measures.

    python benchmarks/paper_size.py [--only vocoder] [--steps 12] [--precision bf16-mixed] [--tiny]

Networks, batches, precision and accumulated batches are those of the shipped recipes, read from them. Checkpoints are replaced by the same
architecture with random weights, batches by noise of their shape that is there already: reading, changing and moving audio is not in these figures,
nor is validation, nor what several GPUs tell each other. GPU-hours are the recipe's ``max_steps`` at the median step, extrapolated from those
few, for all of its GPUs together. ``--precision`` is another than the recipe's. ``--tiny`` cuts the networks down, to try this
file where there is no GPU.
"""

import argparse
import tempfile
import time
import warnings
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, IterableDataset
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.utils import logging

from lightningmodules.callbacks import SeededSteps
from recipes.engine.builder import Builder
from recipes.engine.bundled import find
from recipes.engine.recipe import load
from zoo.speech.encoders import FilterbankEncoder, HubertEncoder
from zoo.speech.hubert_pretraining import hubert
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers.speech_tokenizer import Base

WARMUP, RATE = 3, 16000
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
SMALL = {
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_size": 64,
    "conv_dim": 16,
    "position_kernel": 16,
    "position_groups": 2,
}
MODEL = "model"
FEW = [
    "data.batch_size=2",
    f"{MODEL}.discriminators.families.0.channels=4",
    f"{MODEL}.discriminators.families.1.channels=16",
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


def stand_ins(folder: Path, tiny: bool) -> list[str]:
    """Write what the recipes read, with random weights; the overrides that name it."""
    sizes, layer = (SMALL, 2) if tiny else ({}, 11)
    hubert(**sizes).save_pretrained(folder / "hubert")
    wav2vec = (
        {
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "conv_dim": (16,) * 7,
        }
        if tiny
        else {}
    )
    Wav2Vec2Model(Wav2Vec2Config(**wav2vec)).save_pretrained(folder / "wav2vec2")
    for place, encoder, units in (
        ("filterbank_units/tokenizer", FilterbankEncoder(), 100),
        ("run/tokenizer/tokenizer", FilterbankEncoder(), 500),
        ("stage_1_units/tokenizer", HubertEncoder(str(folder / "hubert"), 2 if tiny else 6), 500),
        ("kmeans", HubertEncoder(str(folder / "hubert"), layer), 500),
    ):
        quantizer = KMeans(units, encoder.dim)
        torch.nn.init.normal_(quantizer.centroids)
        Base(PhoneticUnits(encoder, quantizer)).save(folder / place)
    named = {
        "corpus": "none",
        "hubert": folder / "hubert",
        "kmeans": folder / "kmeans",
        "noises": "none",
        "rooms": "none",
        "checkpoint": folder / "wav2vec2",
        "run": folder / "run",
        "out": folder,
    }
    return [f"{name}={value}" for name, value in named.items()]


def batch_of(data: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """Noise in the shape that a data module serves, by its arguments, and the seconds of audio in it."""
    kind = data["_target_"].split(".")[-1]
    if kind in ("WaveformDataModule", "AugmentedDataModule"):
        buckets = data["buckets"]
        rows, samples = int(buckets["batch_seconds"] / buckets["max_seconds"]), round(buckets["max_seconds"] * RATE)
        sounds, lengths = 0.1 * torch.randn(rows, samples), torch.full((rows,), samples)
        batch = (
            {"waveform": sounds}
            if kind == "WaveformDataModule"
            else {
                "clean": sounds,
                "clean_samples": lengths,
                "augmented": sounds + 0.02 * torch.randn_like(sounds),
                "augmented_samples": lengths,
            }
        )
        return batch, rows * samples / RATE
    rows = data["batch_size"]
    if kind == "F0DataModule":
        tracks = torch.stack(
            [30 * torch.randn(rows, data["segment_samples"] // 80), torch.ones(rows, data["segment_samples"] // 80)], 1
        )
        return {"tracks": tracks, "mean_hz": torch.full((rows, 1), 150.0)}, rows * data["segment_samples"] / RATE
    if kind == "StyleDataModule":
        return {
            "waveform": 0.1 * torch.randn(rows, round(data["crop_seconds"] * RATE)),
            "style": torch.arange(rows) % 26,
        }, rows * data["crop_seconds"]
    units, phonetic = data["segment_units"], next(iter(data["rates"].values()))
    made = {prefix: torch.randint(64, (rows, units)) for prefix in data["rates"]}
    return {
        "waveform": 0.1 * torch.randn(rows, round(units * RATE / phonetic)),
        "units": made,
        "speaker": torch.arange(rows) % 4,
        "style": torch.zeros(rows, dtype=torch.int64),
        "run_units": torch.randint(500, (rows, 250)),
        "run_frames": torch.full((rows, 250), 2),
    }, rows * units / phonetic


class Same(IterableDataset):
    def __init__(self, batch: dict[str, Any]) -> None:
        self.batch = batch

    def __iter__(self):
        while True:
            yield self.batch


class Data(L.LightningDataModule):
    """One batch again and again, with what modules ask a data module for."""

    styles, style_seconds, augmentations, speakers = (
        [f"style {n}" for n in range(26)],
        torch.ones(26),
        {},
        ["a", "b", "c", "d"],
    )

    def __init__(self, batch: dict[str, Any], is_styled: bool) -> None:
        super().__init__()
        self.batch, self.styles = batch, self.styles if is_styled else []

    def train_dataloader(self) -> DataLoader:
        return DataLoader(Same(self.batch), batch_size=None)


class Clock(L.Callback):
    """Seconds of each optimizer step."""

    def __init__(self, is_gpu: bool) -> None:
        self.is_gpu, self.seconds, self.since = is_gpu, [], time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if self.is_gpu:
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self.since)
        self.since = time.perf_counter()


@dataclass(frozen=True)
class Cost:
    """Of a step on one GPU: parameters in all and those that learn, seconds of each step, of audio in it, and peak memory in GiB."""

    parameters: int
    learning: int
    seconds: np.ndarray
    audio: float
    memory: float


def measure(
    model: L.LightningModule,
    stage: dict[str, Any],
    precision: str,
    args: argparse.Namespace,
    is_gpu: bool,
    folder: Path,
) -> Cost:
    batch, audio = batch_of(stage["data"])
    clock, accumulate = Clock(is_gpu), stage["trainer"].get("accumulate_grad_batches", 1)
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    if is_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    trainer = L.Trainer(
        accelerator="gpu" if is_gpu else "cpu",
        devices=1,
        precision=precision,
        accumulate_grad_batches=accumulate,
        max_steps=WARMUP + args.steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[SeededSteps(), clock],
    )
    trainer.fit(model, Data(batch, "StyleDataModule" in stage["data"]["_target_"]))
    return Cost(
        sum(size for size, _ in sizes),
        sum(size for size, learns in sizes if learns),
        np.array(clock.seconds[WARMUP:]),
        accumulate * audio,
        torch.cuda.max_memory_allocated() / 2**30 if is_gpu else float("nan"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="recipes whose name has this in it")
    parser.add_argument("--steps", type=int, default=12, help="that are measured, after the warm-up")
    parser.add_argument("--precision")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    getLogger("lightning.pytorch").setLevel(ERROR)
    is_gpu = torch.cuda.is_available()
    print(
        f"{torch.cuda.get_device_name() if is_gpu else 'no GPU'}, torch {torch.__version__}; medians of {args.steps} steps, random weights, noise, no reading of data"
        f"{'; tiny networks' if args.tiny else ''}\n"
    )
    print(
        f"{'recipe, stage':<34} {'parameters, learning':>22}  {'audio a step':>12}  {'s a step (range)':>24}  {'audio s/s':>9}  {'GiB':>5}  {'steps x GPUs':>12}  GPU-hours"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        given = stand_ins(folder, args.tiny)
        for name, which in STAGES:
            if args.only in name:
                try:
                    show(name, which, given + (TINY[name] if args.tiny else []), args, is_gpu, folder)
                except Exception as error:  # a network that does not fit must not hide what the next one costs
                    print(f"{name}, {which}: {error!r}"[:1000], flush=True)


def show(name: str, which: str, overrides: list[str], args: argparse.Namespace, is_gpu: bool, folder: Path) -> None:
    known = OmegaConf.load(find(name)).keys()
    recipe = load(name, [each for each in overrides if each.split(".")[0].split("=")[0] in known])
    stage = OmegaConf.to_container(recipe.config, resolve=True)["stages"][which]
    build = Builder(recipe)
    precision = args.precision or (
        build(f"stages.{which}.trainer.precision") if "precision" in stage["trainer"] else "32-true"
    )
    found = measure(build(f"stages.{which}.model"), stage, precision, args, is_gpu, folder)
    step, gpus = np.median(found.seconds), stage["trainer"].get("devices", 1)
    hours = step * stage["trainer"]["max_steps"] * gpus / 3600
    print(
        f"{name + ', ' + which:<34} {found.parameters / 1e6:10.2f}M, {found.learning / 1e6:8.2f}M  {found.audio:10.1f} s  "
        f"{f'{step:.4f} ({found.seconds.min():.4f} to {found.seconds.max():.4f})':>24}  {found.audio / step:9.0f}  {found.memory:5.1f}  "
        f"{stage['trainer']['max_steps']:>8} x {gpus}  {hours:9.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
