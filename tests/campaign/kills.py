"""Kills and interrupts at random moments, after which a run is resumed until it ends."""

import random
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.comparison import differences
from tests.campaign.processes import Run, start
from tests.campaign.workloads import Workload

MAX_KILLS = 5  # of one run
PATIENCE_SECONDS = 20.0  # until a run that was interrupted must have ended
INTERRUPTED = 130  # exit code


@dataclass
class Row:
    """A row of the table: what was tried, how often, and what did not hold.

    Args:
        name: What was tried.
        tried: How often.
        failures: What did not hold, one line each.
    """

    name: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """A workload with the results of an unbroken run.

    Args:
        workload: What is run.
        root: Folder of the results, and of ``now``, in which every run takes place, since some results contain its
            path.
    """

    workload: Workload
    root: Path
    seconds: float = 0.0

    @property
    def now(self) -> Path:
        return self.root / "now"

    @property
    def run_folder(self) -> Path:
        return self.now / "runs" / self.workload.folder

    @property
    def reference(self) -> Path:
        return self.root / "reference"

    def prepare(self) -> None:
        """Run the workload unbroken.

        Raises:
            RuntimeError: The run fails.
        """
        self.clear()
        run = start(self.workload.command, self.now)
        if run.wait(600) != 0:
            raise RuntimeError(f"{self.workload.name}: {run.error}")
        self.seconds = run.seconds
        shutil.copytree(self.now / "runs", self.reference, symlinks=True)

    def clear(self) -> None:
        shutil.rmtree(self.now, ignore_errors=True)
        self.now.mkdir(parents=True)
        self.workload.prepare(self.now)

    def restore(self) -> None:
        """Put the results of the unbroken run in place."""
        self.clear()
        shutil.copytree(self.reference, self.now / "runs", symlinks=True)

    def finish(self, *more: str) -> list[str]:
        """Run to the end, and return what is wrong with the results."""
        run = start([*self.workload.command, *more], self.now)
        code = run.wait(600)
        if code != 0:
            return [f"{self.workload.name}: exit code {code}: {run.error}"]
        different = differences(self.reference, self.now / "runs")
        return [f"{self.workload.name}: {line}" for line in different[:3]]


def kill_once(run: Run, number: int, after: float, row: Row) -> bool:
    """Send a signal after so many seconds, and return whether the run had not ended before.

    Args:
        run: The run.
        number: Signal.
        after: Seconds from now.
        row: Counts the signal, and has a line if the run does not end.
    """
    until = time.monotonic() + after
    while run.is_alive and time.monotonic() < until:
        time.sleep(0.005)
    if not run.is_alive:
        return False
    row.tried += 1
    run.kill(number)
    code = run.wait(PATIENCE_SECONDS)
    if number != signal.SIGKILL and code not in (INTERRUPTED, 0):
        row.failures.append(f"{signal.Signals(number).name} after {run.seconds:.1f} s: exit code {code}: {run.error}")
        shutil.copy(run.log, run.log.with_name(f"failure-{time.time():.0f}.txt"))
    return True


def kill_and_resume(bench: Bench, draw: random.Random, rows: dict[int, Row]) -> None:
    """Start a run, interrupt it up to ``MAX_KILLS`` times, resume it and compare the results with the unbroken ones.

    Args:
        bench: What is run.
        draw: Draws the signals and their times.
        rows: Row of each signal; a difference is a failure of the last signal.
    """
    bench.clear()
    last = None
    for kill in range(draw.randint(1, MAX_KILLS)):
        number = draw.choices(list(rows), [8, 1, 1])[0]
        run = start(bench.workload.command, bench.now)
        # Later runs have less to do.
        if not kill_once(run, number, draw.uniform(0.0, 1.1 * bench.seconds / (1 + 0.5 * kill)), rows[number]):
            break
        last = rows[number]
    wrong = bench.finish()
    if last is not None and wrong:
        last.failures += wrong
        shutil.copytree(bench.now, bench.root / f"different-{time.time():.0f}", symlinks=True)
