"""The most memory that this process has held."""

import resource
import sys
from pathlib import Path


def reset_peak() -> None:
    """Forget the peak so far, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak_gib() -> float:
    """Peak of resident memory since the last reset, in GiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20, 3)
    except (OSError, StopIteration):
        unit = 2**30 if sys.platform == "darwin" else 2**20
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 3)
