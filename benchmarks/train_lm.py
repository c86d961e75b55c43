"""Measure speed and memory of language model training against a plain PyTorch loop with the same network and batches.

Rows are of synthetic tokens, with the lengths of real utterances. Our step and the plain one alternate, so that both
run under the same conditions. With a GPU: networks of the size of 1B and 7B parameters in bf16, full training and LoRA,
compiled or not, and the share of the measured matrix peak that they reach.

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
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn
from training_loops import PlainLoop, Shape, Training, make_data, make_network, make_vocabulary, write_corpus

from datamodules import MixtureDataModule
from zoo.language.adapters import lora
from zoo.language.networks import checkpointed, compiled
from zoo.tokens.vocabulary import Vocabulary

NUM_UNITS = 501
MANY_UNITS = 32_000  # for logits as wide as those of Llama
WARMUP = 3  # steps that are not measured
CPU_SHAPE = Shape(256, 6, 4, 704, 512, 2)
MANY_UNITS_SHAPE = Shape(256, 6, 4, 704, 512, 8)
GPU_SHAPES = {"1B": Shape(2048, 16, 32, 8192, 4096, 4), "7B": Shape(4096, 32, 32, 11008, 4096, 1)}


def tokens_per_second_of_data(data: MixtureDataModule, num_tokens: int = 4_000_000) -> float:
    """Tokens per CPU second of the data pipeline alone, in rows of 4096."""
    data = MixtureDataModule(data.vocabulary, data.streams, data.weights, 4096, 4)
    num_batches = num_tokens // (4 * 4096)
    rows = data.mixture("train", range(num_batches))
    rows.batch(0)
    start = time.process_time()
    for batch in range(1, num_batches + 1):
        rows.batch(batch)
    return num_batches * 4 * 4096 / (time.process_time() - start)


def peak_mib(loop: str, folder: Path, num_units: int, steps: int) -> float:
    """Growth of the resident memory by one of the loops, in a process of its own, in MiB."""
    options = {"--only": loop, "--folder": folder, "--units": num_units, "--steps": steps}
    command = [sys.executable, __file__]
    for name, value in options.items():
        command += [name, str(value)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def print_memory(loop: str, folder: Path, vocabulary: Vocabulary, steps: int, shape: Shape) -> None:
    """Train with one of the loops, and print the growth of the resident memory in MiB."""
    data = make_data(folder, vocabulary, shape)
    start = peak_kib()
    if loop == "ours":
        Training(steps, "cpu", folder).run(make_network(vocabulary, shape), vocabulary, data)
    else:
        plain = PlainLoop(make_network(vocabulary, shape), "cpu", steps)
        for ids in data.mixture("train", range(steps)):
            plain.step(ids)
    print(json.dumps((peak_kib() - start) / 1024))


def peak_kib() -> int:
    """Peak resident memory of this process; that of ``resource`` includes the process that started it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise OSError("/proc/self/status has no VmHWM")


def show(measure: str, value: str, target: str = "") -> None:
    print(f"{measure:<85}{value:>28}{f'   (target {target})' if target else ''}", flush=True)


def measure_on_cpu(folder: Path, vocabulary: Vocabulary, steps: int) -> None:
    data = make_data(folder, vocabulary, CPU_SHAPE)
    data_speed = tokens_per_second_of_data(data)
    show("data alone, tokens/s of one core", f"{data_speed / 1e6:.1f}M", "2M")
    network = make_network(vocabulary, CPU_SHAPE)
    size = sum(weight.numel() for weight in network.parameters()) / 1e6
    plain = PlainLoop(make_network(vocabulary, CPU_SHAPE), "cpu", steps)
    times = Training(steps, "cpu", folder).run(network, vocabulary, data, plain)
    wall, cpu = np.array(times.lightning[WARMUP:]).T
    plain_wall, plain_cpu = np.array(times.plain[WARMUP:]).T
    batch_tokens = CPU_SHAPE.length * CPU_SHAPE.batch_size
    shape = f"{size:.1f}M parameters, {CPU_SHAPE.batch_size} x {CPU_SHAPE.length} tokens"
    show(f"training step, median of {len(wall)}: {shape}", f"{np.median(wall):.3f} s")
    show("plain step", f"{np.median(plain_wall):.3f} s")
    show("tokens/s of ours over plain, median of pairs", f"{np.median(plain_wall / wall):.3f}", "0.97")
    show("tokens/s of ours over plain, of sums", f"{plain_wall.sum() / wall.sum():.3f}", "0.97")
    cpu_ratios = f"{np.median(plain_cpu / cpu):.3f}, {plain_cpu.sum() / cpu.sum():.3f}"
    show("the same by CPU time: median of pairs, of sums", cpu_ratios, "0.97")
    consumption = batch_tokens / np.median(wall)
    show("data alone over the consumption of training", f"{data_speed / consumption:.0f}x", "20x")
    compare_memory(folder, NUM_UNITS, CPU_SHAPE)
    compare_memory(write_corpus(folder / "many", make_vocabulary(MANY_UNITS)), MANY_UNITS, MANY_UNITS_SHAPE)


def compare_memory(folder: Path, num_units: int, shape: Shape) -> None:
    ours = peak_mib("ours", folder, num_units, 4)
    plain = peak_mib("plain", folder, num_units, 4)
    num_rows = len(make_vocabulary(num_units))
    show(
        f"peak memory with {num_rows} rows, {shape.batch_size} x {shape.length} tokens, ours over plain",
        f"{ours:.0f} / {plain:.0f} MiB = {ours / plain:.2f}",
    )


def matrix_peak() -> float:
    """FLOP/s of a large product in bf16."""
    left = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    right = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    for _ in range(5):
        left @ right
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(50):
        left @ right
    torch.cuda.synchronize()
    return 50 * 2 * 8192**3 / (time.perf_counter() - start)


def flops_per_token(model: nn.Module, shape: Shape) -> float:
    """FLOP of a training step per token, without recomputation (Chowdhery et al. 2022).

    Frozen weights have no gradient of their own; attention is causal.
    """
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    total = sum(weight.numel() for name, weight in model.named_parameters() if "embed_tokens" not in name)
    attention = 6 * shape.num_layers * shape.hidden_size * shape.length
    return 4 * total + 2 * min(trainable, total) + attention


def make_gpu_network(vocabulary: Vocabulary, shape: Shape, is_lora: bool, is_compiled: bool) -> nn.Module:
    with torch.device("cuda"):
        model = checkpointed(make_network(vocabulary, shape))
    if is_lora:
        model = lora(model.to(torch.bfloat16), rank=16, new_rows=vocabulary)
    return compiled(model) if is_compiled else model


def measure_on_gpu(folder: Path, vocabulary: Vocabulary, steps: int) -> None:
    peak = matrix_peak()
    show("measured bf16 matrix peak", f"{peak / 1e12:.0f} TFLOP/s")
    for is_compiled, (size, method) in product((False, True), (("1B", "full"), ("1B", "lora"), ("7B", "lora"))):
        shape = GPU_SHAPES[size]
        model = make_gpu_network(vocabulary, shape, method == "lora", is_compiled)
        gc.collect()  # the trainer of the previous network
        torch.cuda.empty_cache()  # the float32 weights from which this network was made
        torch.cuda.reset_peak_memory_stats()
        times = Training(steps, "cuda", folder).run(model, vocabulary, make_data(folder, vocabulary, shape))
        seconds = np.median(np.array(times.lightning[WARMUP:])[:, 0])
        speed = shape.length * shape.batch_size / seconds
        share = speed * flops_per_token(model, shape) / peak
        memory = torch.cuda.max_memory_allocated() / 2**30
        show(
            f"{size} {method}{', compiled' if is_compiled else ''}: tokens/s, share of the peak, GiB",
            f"{speed:.0f}, {share:.1%}, {memory:.1f}",
            "50%" if (size, method) == ("1B", "full") else "",
        )
        del model, times


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=33, help="training steps of each measurement")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="measure on this device only (default: both)")
    parser.add_argument("--only", choices=("ours", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--units", type=int, default=NUM_UNITS, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    warnings.filterwarnings("ignore")
    vocabulary = make_vocabulary(args.units)
    if args.only:
        shape = CPU_SHAPE if args.units == NUM_UNITS else MANY_UNITS_SHAPE
        print_memory(args.only, args.folder, vocabulary, args.steps, shape)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_corpus(Path(temporary), vocabulary)
        if args.device != "cuda":
            measure_on_cpu(folder, vocabulary, args.steps)
        if args.device != "cpu" and torch.cuda.is_available():
            measure_on_gpu(folder, vocabulary, args.steps)
        else:
            show("on a GPU", "not run: not requested" if args.device == "cpu" else "not run: there is none")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; synthetic tokens")


if __name__ == "__main__":
    main()
