"""The campaign: runs that are killed, interrupted and damaged, and end with the results of an unbroken one.

Usage: python -m tests.campaign.interruptions [--minutes 8] [--kills 100] [--seed 0] [--folder FOLDER]
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Before torch is imported: each run is one of many.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")

from tests.campaign.faults import FAULTS
from tests.campaign.kills import Bench, Row, kill_and_resume
from tests.campaign.processes import import_stages
from tests.campaign.workloads import WORKLOADS

SIGNALS = {signal.SIGKILL: "killed", signal.SIGINT: "interrupted (SIGINT)", signal.SIGTERM: "terminated (SIGTERM)"}
WEIGHTS = (5, 5, 3, 1)  # how often each workload is drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="time after which no further run is killed")
    parser.add_argument("--kills", type=int, default=100, help="number of signals after which no further run is killed")
    parser.add_argument("--seed", type=int, default=0, help="seed of signals and their times")
    parser.add_argument("--folder", type=Path, help="folder to work in; a temporary one by default")
    parser.add_argument("--workloads", nargs="*", default=[workload.name for workload in WORKLOADS])
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=list(FAULTS), help="faults to try")
    args = parser.parse_args()
    import_stages()
    with tempfile.TemporaryDirectory(prefix="campaign-") as temporary:
        rows = campaign(args, (args.folder or Path(temporary)).resolve())
    print(table(rows))
    sys.exit(any(row.failures for row in rows))


def campaign(args: argparse.Namespace, root: Path) -> list[Row]:
    """Try everything, and return the rows of the table."""
    started = time.monotonic()
    benches = []
    for workload in WORKLOADS:
        if workload.name in args.workloads:
            bench = Bench(workload, root / workload.folder)
            bench.prepare()
            print(f"{workload.name}: unbroken in {bench.seconds:.1f} s", flush=True)
            benches.append(bench)
    rows = []
    for name in args.faults:
        row = Row(name)
        rows.append(row)
        FAULTS[name](benches[0], row)
        print(f"{name}: {row.tried} tried, {len(row.failures)} failed, {time.monotonic() - started:.0f} s", flush=True)
        print(*(f"    {failure}" for failure in row.failures), sep="\n", flush=True)
    kills: dict[int, Row] = {number: Row(name) for number, name in SIGNALS.items()}
    draw = random.Random(args.seed)
    weights = [WEIGHTS[WORKLOADS.index(bench.workload)] for bench in benches]
    while time.monotonic() - started < 60 * args.minutes and sum(row.tried for row in kills.values()) < args.kills:
        bench = draw.choices(benches, weights)[0]
        kill_and_resume(bench, draw, kills)
        counts = ", ".join(f"{row.name}: {row.tried} ({len(row.failures)} failed)" for row in kills.values())
        print(f"{time.monotonic() - started:.0f} s, {bench.workload.name}; {counts}", flush=True)
    return [*kills.values(), *rows]


def table(rows: Sequence[Row]) -> str:
    """Return the table of what was tried and what held."""
    lines = ["", "| what | tried | held |", "|-|-|-|"]
    for row in rows:
        lines.append(f"| {row.name} | {row.tried} | {max(0, row.tried - len(row.failures))} |")
    failures = [f"{row.name}: {failure}" for row in rows for failure in row.failures]
    return "\n".join([*lines, "", *failures])


if __name__ == "__main__":
    main()
