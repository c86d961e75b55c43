"""Peak memory of this process."""

import resource
import sys
from contextlib import suppress
from pathlib import Path


def reset_peak() -> None:
    """Reset the peak that ``peak_gib`` reports, if the system allows it (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gib() -> float:
    """Return the peak of resident memory since the last reset, in GiB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 2**20, 3)  # the file states KiB
    # ru_maxrss is in bytes on macOS and in KiB elsewhere; it cannot be reset.
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 3)
