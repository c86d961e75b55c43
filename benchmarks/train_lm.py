"""Speed and memory of language model training beside a bare PyTorch loop over the same network and batches, in one run.

Rows are of synthetic tokens, of the lengths that real utterances have. Our step and the bare one take turns, so that both see
the same machine. With a GPU: 1B- and 7B-shaped networks in bf16, all weights and LoRA, compiled or not, and the share of the
measured matrix peak that they reach.

    python benchmarks/train_lm.py [--device cuda] [--steps 33]
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from datamodules import InterleavedStream, MixtureDataModule, SpeechStream, TextStream
from lightningmodules import SpeechTextLM
from lightningmodules.callbacks import SeededSteps, TokenLedger
from lightningmodules.optimizers import adamw_with_warmup
from zoo.language.adapters import lora
from zoo.language.networks import checkpointed, compiled, llama
from zoo.tokens.rows import TokenRow
from zoo.tokens.store import write_tokens
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.units import Stream
from zoo.tokens.vocabulary import Vocabulary

UNITS, MANY_UNITS = 501, 32_000  # the second for logits as wide as those of Llama
UTTERANCES, WARMUP = 2000, 3


@dataclass(frozen=True)
class Shape:
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    length: int
    batch_size: int


CPU, MANY_ROWS = Shape(256, 6, 4, 704, 512, 2), Shape(256, 6, 4, 704, 512, 8)
GPU = {"1B": Shape(2048, 16, 32, 8192, 4096, 4), "7B": Shape(4096, 32, 32, 11008, 4096, 1)}


def corpus(folder: Path, vocabulary: Vocabulary) -> Path:
    """Utterances of 15 to 45 words at 17.5 tokens a second of speech, tokens drawn at random."""
    draw, rows = np.random.default_rng(0), []
    for number in range(UTTERANCES):
        words = int(draw.integers(15, 46))
        ends = np.cumsum(draw.uniform(0.2, 0.6, words))
        count = int(ends[-1] * 17.5)
        pieces = draw.integers(1, 3, words)
        rows.append(
            TokenRow(
                str(number),
                "",
                0.0,
                float(ends[-1]),
                "",
                "en",
                "",
                None,
                {},
                draw.integers(2, vocabulary.num_text, pieces.sum()),
                draw.integers(vocabulary.first_unit, len(vocabulary), count),
                np.linspace(0, ends[-1], count),
                ["w"] * words,
                ends,
                np.r_[0, np.cumsum(pieces)],
                np.r_[0, np.sort(draw.choice(np.arange(1, count), words - 1, replace=False)), count],
            )
        )
    for split in ("train", "dev"):
        write_tokens(folder, split, rows, vocabulary.streams)
    return folder


def mixture(tokens: Path, vocabulary: Vocabulary, shape: Shape) -> MixtureDataModule:
    streams = {"text": TextStream(tokens), "speech": SpeechStream(tokens), "interleaved": InterleavedStream(tokens)}
    return MixtureDataModule(
        vocabulary, streams, dict.fromkeys(streams, 1.0), shape.length, shape.batch_size, val_batches=1
    )


def network(vocabulary: Vocabulary, shape: Shape) -> nn.Module:
    torch.manual_seed(0)
    return llama(
        vocabulary,
        shape.hidden_size,
        shape.num_layers,
        shape.num_heads,
        shape.intermediate_size,
        max_positions=shape.length,
    )


def data_speed(data: MixtureDataModule, num_tokens: int = 4_000_000) -> float:
    """Tokens per second of one core, rows of 4096."""
    long = MixtureDataModule(data.vocabulary, data.streams, data.weights, 4096, 4)
    batches = num_tokens // (4 * 4096)
    rows = long.mixture("train", range(batches))
    rows.batch(0)
    start = time.process_time()
    for batch in range(1, batches + 1):
        rows.batch(batch)
    return batches * 4 * 4096 / (time.process_time() - start)


class Bare:
    """The loop anybody would write: whole logits, the same optimizer, clipping and schedule."""

    def __init__(self, model: nn.Module, device: str, steps: int) -> None:
        self.model, self.device = model.to(device).train(), device
        made = adamw_with_warmup(model, 1e-4, 10, steps)
        self.optimizer, self.schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]

    def step(self, ids: torch.Tensor) -> None:
        ids = ids.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            logits = self.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
            loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        if self.device == "cuda":
            torch.cuda.synchronize()


def clock() -> np.ndarray:
    """Seconds on the wall, and of processor time: the second tells more where other programs run at the same time."""
    return np.array([time.perf_counter(), time.process_time()])


class Turns(L.Callback):
    """Takes the time of each training step, whatever else the loop does included, and lets the bare loop step in between."""

    def __init__(self, bare: Bare | None) -> None:
        self.bare, self.ours, self.theirs, self.since = bare, [], [], clock()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: torch.Tensor, batch_idx: int
    ) -> None:
        if batch.is_cuda:
            torch.cuda.synchronize()
        now = clock()
        self.ours.append(now - self.since)
        if self.bare is not None:
            self.bare.step(batch)
            self.theirs.append(clock() - now)
        self.since = clock()


def train(
    model: nn.Module,
    vocabulary: Vocabulary,
    data: MixtureDataModule,
    steps: int,
    device: str,
    bare: Bare | None,
    folder: Path,
) -> Turns:
    turns = Turns(bare)
    trainer = L.Trainer(
        accelerator=device,
        devices=1,
        max_steps=steps,
        precision="bf16-mixed" if device == "cuda" else "32-true",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        log_every_n_steps=10,
        default_root_dir=folder,
        callbacks=[SeededSteps(), TokenLedger(), turns],
    )
    trainer.fit(SpeechTextLM(model, vocabulary, 1e-4, 10), data)
    return turns


def vocabulary_of(units: int) -> Vocabulary:
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    return Vocabulary(train_text_tokenizer(words * 10, 600), (Stream("Hu", units, 25.0),))


def peak_mib(which: str, folder: Path, units: int, steps: int) -> float:
    """Peak resident memory of one of the loops in a process of its own, in MiB, less that of its beginning."""
    command = [
        sys.executable,
        __file__,
        "--only",
        which,
        "--folder",
        str(folder),
        "--units",
        str(units),
        "--steps",
        str(steps),
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def only(which: str, folder: Path, vocabulary: Vocabulary, data: MixtureDataModule, steps: int, shape: Shape) -> None:
    """Train by one of the loops, and print the memory that it took."""
    start = most_kib()
    if which == "ours":
        train(network(vocabulary, shape), vocabulary, data, steps, "cpu", None, folder)
    else:
        bare = Bare(network(vocabulary, shape), "cpu", steps)
        for ids in data.mixture("train", range(steps)):
            bare.step(ids)
    print(json.dumps((most_kib() - start) / 1024))


def most_kib() -> int:
    """Most memory that this program has held; what ``resource`` tells counts the program that started it, too."""
    return next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )


def show(what: str, found: str, wanted: str = "") -> None:
    print(f"{what:<85}{found:>28}{f'   (want {wanted})' if wanted else ''}", flush=True)


def on_cpu(folder: Path, vocabulary: Vocabulary, steps: int) -> None:
    data = mixture(folder, vocabulary, CPU)
    alone = data_speed(data)
    show("data alone, tokens/s of one core", f"{alone / 1e6:.1f}M", "2M")
    turns = train(
        network(vocabulary, CPU), vocabulary, data, steps, "cpu", Bare(network(vocabulary, CPU), "cpu", steps), folder
    )
    ours, theirs = (np.array(times[WARMUP:]) for times in (turns.ours, turns.theirs))
    ours, theirs, ours_cpu, theirs_cpu = ours[:, 0], theirs[:, 0], ours[:, 1], theirs[:, 1]
    consumed = CPU.length * CPU.batch_size / np.median(ours)
    size = sum(weight.numel() for weight in network(vocabulary, CPU).parameters()) / 1e6
    show(
        f"training step, median of {len(ours)}: {size:.1f}M parameters, {CPU.batch_size} x {CPU.length} tokens",
        f"{np.median(ours):.3f} s",
    )
    show("bare step", f"{np.median(theirs):.3f} s")
    show("tokens/s of ours over bare, median of pairs", f"{np.median(theirs / ours):.3f}", "0.97")
    show("tokens/s of ours over bare, of sums", f"{theirs.sum() / ours.sum():.3f}", "0.97")
    show(
        "the same by processor time: median of pairs, of sums",
        f"{np.median(theirs_cpu / ours_cpu):.3f}, {theirs_cpu.sum() / ours_cpu.sum():.3f}",
        "0.97",
    )
    show("data alone over what training consumes", f"{alone / consumed:.0f}x", "20x")
    for units in (UNITS, MANY_UNITS):
        rows = vocabulary_of(units)
        tokens = folder if units == UNITS else corpus(folder / "many", rows)
        ours, bare = (peak_mib(which, tokens, units, 4) for which in ("ours", "bare"))
        shape = CPU if units == UNITS else MANY_ROWS
        show(
            f"peak memory with {len(rows)} rows, {shape.batch_size} x {shape.length} tokens, ours over bare",
            f"{ours:.0f} / {bare:.0f} MiB = {ours / bare:.2f}",
        )


def matrix_peak() -> float:
    """FLOP/s of a large bf16 product."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(5):
        a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(50):
        a @ b
    torch.cuda.synchronize()
    return 50 * 2 * 8192**3 / (time.perf_counter() - start)


def flops_per_token(model: nn.Module, shape: Shape) -> float:
    """Of a training step, recomputation left out (Chowdhery et al. 2022); weights that do not learn need no gradient of their own."""
    learns = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    total = sum(weight.numel() for name, weight in model.named_parameters() if "embed_tokens" not in name)
    return (
        4 * total + 2 * min(learns, total) + 6 * shape.num_layers * shape.hidden_size * shape.length
    )  # causal attention


def on_gpu(folder: Path, vocabulary: Vocabulary, steps: int) -> None:
    peak = matrix_peak()
    show("measured bf16 matrix peak", f"{peak / 1e12:.0f} TFLOP/s")
    for is_compiled, (name, way) in product((False, True), (("1B", "full"), ("1B", "lora"), ("7B", "lora"))):
        shape = GPU[name]
        with torch.device("cuda"):
            model = checkpointed(network(vocabulary, shape))
        model = lora(model.to(torch.bfloat16), rank=16, new_rows=vocabulary) if way == "lora" else model
        model = compiled(model) if is_compiled else model
        gc.collect()  # the trainer of the network before
        torch.cuda.empty_cache()  # the float32 weights that this one was made from
        torch.cuda.reset_peak_memory_stats()
        turns = train(model, vocabulary, mixture(folder, vocabulary, shape), steps, "cuda", None, folder)
        speed = shape.length * shape.batch_size / np.median(np.array(turns.ours[WARMUP:])[:, 0])
        share = speed * flops_per_token(model, shape) / peak
        memory = torch.cuda.max_memory_allocated() / 2**30
        show(
            f"{name} {way}{', compiled' if is_compiled else ''}: tokens/s, share of the peak, GiB",
            f"{speed:.0f}, {share:.1%}, {memory:.1f}",
            "50%" if (name, way) == ("1B", "full") else "",
        )
        del model, turns


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=33)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="measure on this alone; on both if not said")
    parser.add_argument("--only", choices=("ours", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--units", type=int, default=UNITS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    vocabulary = vocabulary_of(args.units)
    if args.only:
        shape = CPU if args.units == UNITS else MANY_ROWS
        only(args.only, args.folder, vocabulary, mixture(args.folder, vocabulary, shape), args.steps, shape)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = corpus(Path(temporary), vocabulary)
        if args.device != "cuda":
            on_cpu(folder, vocabulary, args.steps)
        if args.device != "cpu" and torch.cuda.is_available():
            on_gpu(folder, vocabulary, args.steps)
        else:
            show("on a GPU", "not run: not asked for" if args.device == "cpu" else "not run: there is none")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; synthetic tokens")


if __name__ == "__main__":
    main()
