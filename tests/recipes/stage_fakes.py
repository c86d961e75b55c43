"""Stages and nodes for tests of the engine: tiny, and they remember what was done with them."""

import errno
import logging
import os
import signal
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

CALLS: list[str] = []
NETWORKS: list["Network"] = []
FAULTS: dict[str, BaseException] = {}


def reset() -> None:
    for kept in (CALLS, NETWORKS, FAULTS):
        kept.clear()


class Network:
    """Counts in ``steps`` how long it was trained."""

    def __init__(
        self,
        size: int,
        rate: float = 0.1,
        kind: Literal["wide", "deep"] = "wide",
        names: list[str] | None = None,
        weights: dict[str, float] | None = None,
        folder: str | Path = "",
    ) -> None:
        if size < 0:
            raise ValueError(f"size must be positive, got {size}")
        self.size, self.rate, self.names, self.weights, self.folder, self.steps = size, rate, names, weights, folder, 0

    @classmethod
    def load(cls, folder: Path) -> "Network":
        return cls(len(str(folder)))

    def train(self) -> None:
        self.steps += 1


class Wide(Network):
    pass


class Trainer:
    def __init__(self, max_steps: int, devices: int = 1, callbacks: list["Callback"] | None = None) -> None:
        self.max_steps, self.devices, self.callbacks = max_steps, devices, callbacks


class Callback:
    def __init__(self, every: int = 1) -> None:
        self.every = every


@dataclass
class Schedule:
    peak: float
    warmup: int = 0


def pair(first: Network, second: Network) -> list[Network]:
    return [first, second]


def make_data(
    out: Path, words: list[str], source: Path | None = None, kinds: tuple[str, ...] = ("long", "short")
) -> dict[str, str]:
    """Write words."""
    CALLS.append("data")
    if "data" in FAULTS:
        raise FAULTS["data"]
    (out / "words.txt").write_text("\n".join(words))
    return {"words": str(out / "words.txt")}


def train(
    out: Path, network: Network, trainer: Trainer, data: Path, schedule: Schedule | None = None
) -> dict[str, Path]:
    """Count to max_steps, from where it stopped."""
    CALLS.append("train")
    logging.getLogger("zoo.fake").info("training starts")
    warnings.warn("a library is worried", stacklevel=2)
    NETWORKS.append(network)
    count = out / "count"
    if "train" in FAULTS:
        raise FAULTS["train"]
    for step in range(int(count.read_text()) if count.is_file() else 0, trainer.max_steps):
        network.train()
        (out / "count.part").write_text(str(step + 1))
        os.replace(out / "count.part", count)
        if os.environ.get("KILL_AT") == str(step):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get("STEP_SECONDS", "0")))
    return {"listen": out / "count"}


def meet(out: Path, other: str, data: Path, fault: str = "") -> dict[str, str]:
    """Wait until the stage ``other``, which is not read, is at work as well."""
    assert data.is_dir()
    (out / "here").touch()
    until = time.monotonic() + 20
    while not (out.parent / other / "here").exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{other} did not come")
        time.sleep(0.01)
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "waits":
        time.sleep(60)
    if fault:
        raise ValueError(fault)
    (out / "count").write_text(str(torch.get_num_threads()))
    return {"met": other}


def report(out: Path, network: Network, run: Path) -> None:
    """Copy the count."""
    CALLS.append("report")
    NETWORKS.append(network)
    (out / "report.txt").write_text((run / "count").read_text())


def summarize(out: Path, runs: list[Path], counts: list[Path]) -> None:
    """Add up counts."""
    CALLS.append("summary")
    (out / "sum").write_text(str(sum(int(count.read_text()) for count in counts)))


def full_disk(path: str) -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", path)
