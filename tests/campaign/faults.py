"""Faults of the machine and of people: full disks, read-only folders, damaged files, two runs at once."""

import ctypes
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.campaign.kills import Bench, Row
from tests.campaign.processes import POLL_SECONDS, Run, start

NOBODY = 65534
ONE_LINE = 2000  # longest error in characters


def full_disk(bench: Bench, row: Row) -> None:
    """Runs on disks of a few sizes that are full before the end, then with space."""
    libc = ctypes.CDLL(None, use_errno=True)
    for size in ("400k", "1m", "2m", "3m"):
        bench.clear()
        (bench.now / "runs").mkdir()
        target = str(bench.now / "runs").encode()
        if libc.mount(b"none", target, b"tmpfs", 0, f"size={size}".encode()):
            print("disk full: no file system may be mounted here, so files are limited in size instead")
            _limited(bench, row, resource.RLIMIT_FSIZE, (20_000, 100_000, 300_000))
            return
        try:
            row.tried += 1
            _expect_error(start(bench.workload.command, bench.now), row, f"disk of {size}", "disk full")
            libc.mount(b"none", target, b"tmpfs", 32, b"size=1g")  # MS_REMOUNT
            row.failures += bench.finish()
        finally:
            libc.umount2(target, 2)  # MNT_DETACH


def few_descriptors(bench: Bench, row: Row) -> None:
    """Runs with few file descriptors, which end well or with one line, then with enough."""
    _limited(bench, row, resource.RLIMIT_NOFILE, (8, 16, 24, 32, 48))


def _limited(bench: Bench, row: Row, kind: int, limits: tuple[int, ...]) -> None:
    for limit in limits:
        bench.clear()
        row.tried += 1
        run = start(bench.workload.command, bench.now, {kind: limit})
        if run.wait() != 0:
            _check_error(run, row, f"limit {limit}")
        row.failures += bench.finish()


def read_only_folder(bench: Bench, row: Row) -> None:
    """A run into a folder that belongs to somebody else, as a user without rights."""
    if os.getuid() != 0:
        print("read-only folder: not tried, since only root can run as another user")
        return
    bench.clear()
    os.chmod(bench.now, 0o755)
    row.tried += 1
    _expect_error(start(bench.workload.command, bench.now, user=NOBODY), row, "read-only", "ermission")
    row.failures += bench.finish()


def two_runs(bench: Bench, row: Row) -> None:
    """A second run into the folder of a running one, which is refused and changes nothing."""
    for wait in (0.3, 1.5, 3.0):
        bench.clear()
        row.tried += 1
        first = start(bench.workload.command, bench.now)
        _wait_for(lambda: bench.run_folder.is_dir() and any(bench.run_folder.glob("*/stage.json")), first)
        time.sleep(wait)
        second = start(bench.workload.command, bench.now)
        is_running = first.is_alive
        code = second.wait()
        if is_running and first.is_alive and (code != 1 or "another run uses" not in second.output):
            row.failures.append(f"second run: exit code {code}: {second.error}")
        first.wait(600)
        row.failures += bench.finish()


def truncated_checkpoint(bench: Bench, row: Row) -> None:
    """A training that is killed and finds its last checkpoint, or both, cut or foreign."""
    for damage in (_cut, _empty, _foreign):
        for both in (False, True):
            bench.clear()
            stage = bench.run_folder / bench.workload.trained
            run = start(bench.workload.command, bench.now)
            folder = stage / "checkpoints"
            _wait_for(lambda folder=folder: (folder / ".last.ckpt.before").is_file(), run)
            run.kill(signal.SIGKILL)
            if not (folder / "last.ckpt").is_file():
                continue  # it had ended
            row.tried += 1
            damage(folder / "last.ckpt")
            if both and (folder / ".last.ckpt.before").is_file():
                damage(folder / ".last.ckpt.before")
            row.failures += bench.finish()
            (stage / "log.txt").read_text().index("set aside")


def damaged_results(bench: Bench, row: Row) -> None:
    """Results of finished stages that are deleted, cut or changed: refused, and made anew with the same bits."""
    names = (
        "tokens/train-00000.arrow",
        "tokens/dev-00000.arrow",
        "tokens/contract.json",
        "language_model/model/config.json",
    )
    for name in names:
        for damage in (Path.unlink, _cut, _flip):
            bench.restore()
            row.tried += 1
            damage(bench.run_folder / name)
            run = start(bench.workload.command, bench.now)
            if run.wait() != 1 or Path(name).name not in run.output or "--again" not in run.output:
                row.failures.append(f"{name}, {damage.__name__}: {run.code}: {run.error}")
            row.failures += bench.finish("--again")


def moved_run(bench: Bench, row: Row) -> None:
    """A run that is interrupted, moved to another folder and resumed there."""
    for seconds in (0.3, 0.5, 0.8):
        bench.clear()
        row.tried += 1
        run = start(bench.workload.command, bench.now)
        time.sleep(seconds * bench.seconds)
        run.kill(signal.SIGKILL)
        os.rename(bench.run_folder, bench.now / "moved")
        moved = [*bench.workload.command[:-1], "out=moved"]
        for _ in range(2):
            again = start(moved, bench.now)
            if again.wait() != 0:
                row.failures.append(f"moved after {seconds:.0%}: {again.error}")
        if "done before" not in again.output or "resumed" in again.output:
            row.failures.append(f"moved after {seconds:.0%}: it ran twice")


def _expect_error(run: Run, row: Row, what: str, text: str) -> None:
    code = run.wait()
    if code == 0:
        row.failures.append(f"{what}: no error")
    elif text not in run.error:
        row.failures.append(f"{what}: exit code {code}: {run.error}")
    else:
        _check_error(run, row, what)


def _check_error(run: Run, row: Row, what: str) -> None:
    if run.code != 1 or "Traceback" in run.output or not run.error.startswith("error: ") or len(run.error) > ONE_LINE:
        row.failures.append(f"{what}: exit code {run.code}: {run.error}")
        shutil.copy(run.log, run.log.with_name(f"failure-{time.time():.0f}.txt"))


def _wait_for(condition: Callable[[], bool], run: Run) -> None:
    while run.is_alive and not condition():
        time.sleep(POLL_SECONDS)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 not a checkpoint" * 100)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS: dict[str, Callable[[Bench, Row], None]] = {
    "two runs into one folder": two_runs,
    "disk full": full_disk,
    "read-only folder": read_only_folder,
    "few file descriptors": few_descriptors,
    "damaged last.ckpt": truncated_checkpoint,
    "damaged results": damaged_results,
    "moved run folder": moved_run,
}
