"""Tokenizing with a HuBERT of base size (random weights): one utterance at a time against batches in processes.

Prints seconds of audio a second, ratios in this same run, the share of the machine's measured matrix-multiply peak, and peak memory for a
corpus and one four times as long. The sounds are noise: speed does not depend on what is said. With ``--device cuda``, the same on one GPU,
where one process does the work; float32 is as PyTorch has it there, convolutions in TF32.

    python benchmarks/tokenize.py [--seconds 240] [--processes 2] [--device cuda]
"""

import argparse
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
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

MULTIPLY_ADDS_PER_SECOND = {
    "convolutions": 2.46e9,
    "rest": 50 * (12 * 7.08e6 + 512 * 768 + 768 * 48 * 128),
}  # attention itself left out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=240.0, help="of audio, 2 to 16 s an utterance")
    options.add_argument("--processes", type=int, default=os.cpu_count())
    options.add_argument("--device", default="cpu")
    arguments = options.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if arguments.device == "cpu":
        jobs_module.JOB_SECONDS = arguments.seconds / (4 * arguments.processes)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder)
        seconds = make_corpus(run, arguments.seconds)
        network = make_tokenizer(run)
        if arguments.device != "cpu":
            on_device(run, network, arguments.device)
            return
        print(f"{os.cpu_count()} cores, {seconds:.0f} s of audio, HuBERT base, random weights\n", flush=True)
        speeds = {
            "transformers, one at a time, all threads, float32": one_at_a_time(run, network, torch.float32),
            "transformers, one at a time, all threads, bfloat16": one_at_a_time(run, network, torch.bfloat16),
            "zoo, processes, float32": in_processes(run, "32-true", arguments.processes),
            "zoo, processes, bfloat16": in_processes(run, "bf16-mixed", arguments.processes),
        }
        report(speeds, {"float32": peak(torch.float32), "bfloat16": peak(torch.bfloat16)})
        once, more = (memory(lambda: in_processes(run, "32-true", arguments.processes, times)) for times in (1, 4))
        print(f"\npeak memory of all processes: {once:.2f} GiB; of a corpus four times as long: {more:.2f} GiB")


def make_corpus(run: Path, seconds: float) -> float:
    draw, lines, total = torch.Generator().manual_seed(0), [], 0.0
    while total < seconds:
        length = int(16000 * (2 + 14 * torch.rand((), generator=draw)))
        write(run / "table" / f"{len(lines)}.flac", 0.1 * torch.randn(length, generator=draw), 16000)
        lines.append(json.dumps({"audio": f"{len(lines)}.flac", "text": "noise", "speaker": "none"}))
        total += length / 16000
    (run / "table" / "train.jsonl").write_text("\n".join(lines) + "\n")
    prepare_corpus(run / "corpus", open_corpus(run / "table"))
    return total


def make_tokenizer(run: Path) -> HubertModel:
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


def on_device(run: Path, network: HubertModel, device: str) -> None:
    """Seconds of audio a second on one accelerator, and ratios to the first way."""
    speeds: dict[str, float] = {}
    for precision, dtype in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        speeds[f"transformers, one at a time, {precision}"] = one_at_a_time(run, network.to(device), dtype, device)
        for batch_seconds in (30.0, 300.0):
            work = TokenizationSettings(
                run / "tokenizer", run / "vocabulary", precision=precision, batch_seconds=batch_seconds
            )
            speeds[f"zoo, OneDevice, batches of {batch_seconds:.0f} s, {precision}"] = by_engine(
                OneDevice(device), work, run
            )
    for name, speed in speeds.items():
        print(f"{name:52}{speed:8.0f} s/s{speed / next(iter(speeds.values())):8.2f} x")


def by_engine(engine: Engine, work: TokenizationSettings, run: Path) -> float:
    """Seconds of audio a second, without the first job, which warms up."""
    parts = engine.run(work, split_into_jobs(read_cuts(run / "corpus", "train")))
    next(parts)
    started = time.perf_counter()
    return sum(part.seconds for part in parts) / (time.perf_counter() - started)


@torch.inference_mode()
def one_at_a_time(run: Path, network: HubertModel, dtype: torch.dtype, device: str = "cpu") -> float:
    """Seconds of audio a second of what one would write with transformers."""
    torch.set_num_threads(os.cpu_count())
    centroids, heard, started = torch.randn(500, 768, device=device), 0.0, 0.0
    for number, cut in enumerate(read_cuts(run / "corpus", "train")):
        if number == 1:  # the first warms up
            started, heard = time.perf_counter(), 0.0
        samples = load_waveform(cut)
        with torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32):
            features = network(samples[None].to(device)).last_hidden_state[0].float()
        (features @ centroids.T).argmax(1).cpu()
        heard += cut.duration
    return heard / (time.perf_counter() - started)


def in_processes(run: Path, precision: str, processes: int, times: int = 1) -> float:
    """Seconds of audio a second of the tokens stage's jobs, from the start of the processes to the last part."""
    cuts = (cut for _ in range(times) for cut in read_cuts(run / "corpus", "train"))
    work, started = (
        TokenizationSettings(run / "tokenizer", run / "vocabulary", precision=precision),
        time.perf_counter(),
    )
    heard = sum(part.seconds for part in LocalProcesses(processes).run(work, split_into_jobs(cuts)))
    return heard / (time.perf_counter() - started)


def peak(dtype: torch.dtype) -> float:
    """Floating-point operations a second of the best of some large products on all cores."""
    torch.set_num_threads(os.cpu_count())
    a, b = torch.randn(2048, 2048).to(dtype), torch.randn(2048, 2048).to(dtype)
    times = []
    for _ in range(8):
        started = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(times)


def report(speeds: dict[str, float], peaks: dict[str, float]) -> None:
    operations, first = 2 * sum(MULTIPLY_ADDS_PER_SECOND.values()), next(iter(speeds.values()))
    print(f"{'':52}{'s/s':>7}{'ratio':>8}{'of peak':>9}")
    for name, speed in speeds.items():
        of_peak = speed * operations / peaks[name.rpartition(" ")[2]]
        print(f"{name:52}{speed:7.2f}{speed / first:8.2f}{of_peak:9.0%}")
    values = list(speeds.values())
    print(f"\nat equal precision: float32 {values[2] / values[0]:.2f}, bfloat16 {values[3] / values[1]:.2f}")
    print(", ".join(f"peak in {name} {value / 1e9:.0f} GFLOP/s" for name, value in peaks.items()))


def memory(work: Callable[[], float]) -> float:
    """Most memory in GiB that this process and its children held at once, shared pages counted once."""
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            most[0] = max(most[0], sum(_proportional(pid) for pid in [os.getpid(), *_children()]))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    work()
    done.set()
    thread.join()
    return most[0] / 2**20


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0
