"""Measure the speed of tokenization with a HuBERT of base size: single utterances against batches in processes.

Prints seconds of audio per second, ratios within the run, the share of the machine's measured matrix-multiply peak, and
peak memory for a corpus and for one four times as long. Weights are random and the audio is noise: the speed does not
depend on either. With ``--device cuda``, the same on one GPU in one process; float32 is PyTorch's default there, with
convolutions in TF32.

    python benchmarks/tokenization.py [--seconds 240] [--processes 2] [--device cuda]
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from lhotse.cut import Cut
from transformers import HubertConfig, HubertModel
from transformers.utils import logging

from recipes.stages.corpus import prepare_corpus
from zoo.audio import write
from zoo.corpora import open_corpus
from zoo.corpora.preparation import read_cuts
from zoo.corpora.utterance import load_waveform
from zoo.speech.encoders import HubertEncoder
from zoo.speech.kmeans import KMeans
from zoo.speech.phonetic_units import PhoneticUnits
from zoo.tokenizers import jobs as jobs_module
from zoo.tokenizers.engines import Engine, LocalProcesses, OneDevice
from zoo.tokenizers.jobs import TokenizationSettings, split_into_jobs
from zoo.tokenizers.speech_tokenizer import Base
from zoo.tokens.contract import write_contract
from zoo.tokens.text_tokenizer import train_text_tokenizer
from zoo.tokens.vocabulary import Vocabulary

# Multiply-adds per second of audio of a HuBERT of base size, without the products of queries, keys and values.
CONVOLUTIONS = 2.46e9
OTHER_LAYERS = 50 * (12 * 7.08e6 + 512 * 768 + 768 * 48 * 128)
SAMPLE_RATE = 16000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0, help="audio in total, 2 to 16 s per utterance")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="processes of the tokenization stage")
    parser.add_argument("--device", default="cpu", help="such as cuda (default: %(default)s)")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if arguments.device == "cpu":
        jobs_module.JOB_SECONDS = arguments.seconds / (4 * arguments.processes)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        seconds = make_corpus(run, arguments.seconds)
        network = make_tokenizer(run)
        if arguments.device == "cpu":
            compare_on_cpu(run, network, seconds, arguments.processes)
        else:
            compare_on_device(run, network, arguments.device)


def compare_on_cpu(run: Path, network: HubertModel, seconds: float, num_processes: int) -> None:
    print(f"{os.cpu_count()} cores, {seconds:.0f} s of audio, HuBERT base, random weights\n", flush=True)
    speeds = {
        "transformers, one at a time, all threads, float32": one_at_a_time(run, network, torch.float32),
        "transformers, one at a time, all threads, bfloat16": one_at_a_time(run, network, torch.bfloat16),
        "zoo, processes, float32": in_processes(run, "32-true", num_processes),
        "zoo, processes, bfloat16": in_processes(run, "bf16-mixed", num_processes),
    }
    print_report(speeds, {"float32": matrix_peak(torch.float32), "bfloat16": matrix_peak(torch.bfloat16)})
    once = peak_memory(partial(in_processes, run, "32-true", num_processes))
    four_times = peak_memory(partial(in_processes, run, "32-true", num_processes, repeats=4))
    print(f"\npeak memory of all processes: {once:.2f} GiB; of a corpus four times as long: {four_times:.2f} GiB")


def make_corpus(run: Path, seconds: float) -> float:
    """Prepare a corpus of noise below ``run``, and return its duration in seconds."""
    generator = torch.Generator().manual_seed(0)
    lines: list[str] = []
    total = 0.0
    while total < seconds:
        length = int(SAMPLE_RATE * (2 + 14 * torch.rand((), generator=generator)))
        waveform = 0.1 * torch.randn(length, generator=generator)
        write(run / "table" / f"{len(lines)}.flac", waveform, SAMPLE_RATE)
        lines.append(json.dumps({"audio": f"{len(lines)}.flac", "text": "noise", "speaker": "none"}))
        total += length / SAMPLE_RATE
    (run / "table" / "train.jsonl").write_text("\n".join(lines) + "\n")
    prepare_corpus(run / "corpus", open_corpus(run / "table"))
    return total


def make_tokenizer(run: Path) -> HubertModel:
    """Save a tokenizer and a vocabulary below ``run``, and return the tokenizer's network."""
    torch.manual_seed(0)
    network = HubertModel(HubertConfig()).eval().requires_grad_(False)
    quantizer = KMeans(500, 768)
    quantizer.centroids.copy_(torch.randn(500, 768))
    tokenizer = Base(PhoneticUnits(HubertEncoder(network, None), quantizer))
    tokenizer.save(run / "tokenizer")
    vocabulary = Vocabulary(train_text_tokenizer(["noise"] * 9, 280), tokenizer.streams, 64)
    vocabulary.save(run / "vocabulary")
    write_contract(run / "vocabulary", {**tokenizer.contract, "vocabulary": vocabulary.contract})
    return network


def compare_on_device(run: Path, network: HubertModel, device: str) -> None:
    """Print seconds of audio per second on one accelerator, and ratios to the first method."""
    speeds: dict[str, float] = {}
    for precision, dtype in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        speeds[f"transformers, one at a time, {precision}"] = one_at_a_time(run, network.to(device), dtype, device)
        for batch_seconds in (30.0, 300.0):
            settings = TokenizationSettings(
                run / "tokenizer", run / "vocabulary", precision=precision, batch_seconds=batch_seconds
            )
            name = f"zoo, OneDevice, batches of {batch_seconds:.0f} s, {precision}"
            speeds[name] = with_engine(OneDevice(device), settings, run)
    baseline = next(iter(speeds.values()))
    for name, speed in speeds.items():
        print(f"{name:52}{speed:8.0f} s/s{speed / baseline:8.2f} x")


def with_engine(engine: Engine, settings: TokenizationSettings, run: Path) -> float:
    """Seconds of audio per second, without the first job, which serves as warm-up."""
    shards = engine.run(settings, split_into_jobs(read_cuts(run / "corpus", "train")))
    next(shards)
    start = time.perf_counter()
    return sum(shard.seconds for shard in shards) / (time.perf_counter() - start)


@torch.inference_mode()
def one_at_a_time(run: Path, network: HubertModel, dtype: torch.dtype, device: str = "cpu") -> float:
    """Seconds of audio per second of a plain loop with transformers; the first utterance serves as warm-up."""
    torch.set_num_threads(os.cpu_count() or 1)
    centroids = torch.randn(500, 768, device=device)
    seconds = 0.0
    start = time.perf_counter()
    for number, cut in enumerate(read_cuts(run / "corpus", "train")):
        if number == 1:
            seconds = 0.0
            start = time.perf_counter()
        waveform = load_waveform(cut)
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            features = network(waveform[None].to(device)).last_hidden_state[0].float()
        (features @ centroids.T).argmax(1).cpu()
        seconds += cut.duration
    return seconds / (time.perf_counter() - start)


def read_repeatedly(run: Path, repeats: int) -> Iterator[Cut]:
    for _ in range(repeats):
        yield from read_cuts(run / "corpus", "train")


def in_processes(run: Path, precision: str, num_processes: int, repeats: int = 1) -> float:
    """Seconds of audio per second of the stage's jobs, the start of the processes included."""
    settings = TokenizationSettings(run / "tokenizer", run / "vocabulary", precision=precision)
    start = time.perf_counter()
    shards = LocalProcesses(num_processes).run(settings, split_into_jobs(read_repeatedly(run, repeats)))
    seconds = sum(shard.seconds for shard in shards)
    return seconds / (time.perf_counter() - start)


def matrix_peak(dtype: torch.dtype) -> float:
    """Floating-point operations per second of the fastest of some large products on all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    left = torch.randn(2048, 2048).to(dtype)
    right = torch.randn(2048, 2048).to(dtype)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(times)


def print_report(speeds: dict[str, float], peaks: dict[str, float]) -> None:
    """Print the speed of each method, its ratio to the first, and its share of the peak in its precision."""
    operations_per_second = 2 * (CONVOLUTIONS + OTHER_LAYERS)
    values = list(speeds.values())
    print(f"{'':52}{'s/s':>7}{'ratio':>8}{'of peak':>9}")
    for name, speed in speeds.items():
        share = speed * operations_per_second / peaks[name.rpartition(" ")[2]]
        print(f"{name:52}{speed:7.2f}{speed / values[0]:8.2f}{share:9.0%}")
    print(f"\nat equal precision: float32 {values[2] / values[0]:.2f}, bfloat16 {values[3] / values[1]:.2f}")
    print(", ".join(f"peak in {name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))


def peak_memory(work: Callable[[], object]) -> float:
    """Peak memory of this process and its children while ``work`` runs, in GiB, shared pages counted once."""
    peak_kib = 0
    finished = threading.Event()

    def watch() -> None:
        nonlocal peak_kib
        while not finished.wait(0.2):
            processes = [os.getpid(), *child_processes()]
            peak_kib = max(peak_kib, sum(map(proportional_kib, processes)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    work()
    finished.set()
    thread.join()
    return peak_kib / 2**20


def child_processes() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def proportional_kib(pid: int) -> int:
    """Proportional set size of a process in KiB; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
