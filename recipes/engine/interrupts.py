"""Interrupts that are not lost: repeated until a stage has ended, and SIGTERM is one of them."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REPEAT_SECONDS = 5.0  # between interrupts of a stage that has not ended


@contextmanager
def lasting_interrupts() -> Generator[None, None, None]:
    """Repeat an interrupt every few seconds until the block ends, and interrupt it by SIGTERM as well.

    Python prints and drops an exception that is raised while a destructor or a callback of a garbage collection runs,
    so that an interrupt at that moment is lost. Lightning looks for SIGTERM only between steps of training; under SLURM
    it has its own way with SIGTERM, which is left as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT] if "SLURM_JOB_ID" in os.environ else [signal.SIGINT, signal.SIGTERM]
    replaced: dict[int, Any] = {}
    is_over = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=_repeat, args=(number, is_over), daemon=True).start()
        signal.signal(number, signal.default_int_handler)
        raise KeyboardInterrupt

    try:
        for number in numbers:
            # Not if the process was started with the signal ignored, as nohup does.
            if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
                replaced[number] = signal.signal(number, interrupt)
        yield
    finally:
        is_over.set()
        for number, handler in replaced.items():
            signal.signal(number, handler)


def _repeat(number: int, is_over: threading.Event) -> None:
    """Send a signal to this process every few seconds, until ``is_over``."""
    while not is_over.wait(REPEAT_SECONDS):
        os.kill(os.getpid(), number)
