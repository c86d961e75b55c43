import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from zoo.processes import interrupts_deferred, map_in_processes, shows_bars


def threads(_):
    return torch.get_num_threads()


def fail_at_three(number):
    if number == 3:
        raise ValueError("three is too many")
    return number


def slowly(number):
    time.sleep(0.2)
    return number


def die_at_three(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Unsendable(Exception):
    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")


def fail_unsendably(number):
    raise Unsendable("number", "odd")


@pytest.mark.parametrize("num_processes", [1, 3])
def test_results_are_in_the_order_of_a_lazy_stream(num_processes):
    factor = 2  # a closure, which no pickle takes, goes with the fork
    assert list(
        map_in_processes(lambda number: factor * number, iter(range(500)), num_processes, chunk_size=7)
    ) == list(range(0, 1000, 2))


def test_stream_is_read_lazily():
    taken = []
    results = map_in_processes(fail_at_three, (taken.append(number) or number for number in range(10_000, 20_000)), 2)
    assert next(results) == 10_000 and len(taken) < 1000
    results.close()


def test_each_process_has_one_thread():
    assert set(map_in_processes(threads, range(4), 2)) == {1}


def test_workers_draw_no_progress_bars():
    assert shows_bars() and not any(map_in_processes(lambda _: shows_bars(), range(4), 2))


@pytest.mark.parametrize("num_processes", [1, 2])
def test_error_of_the_function_is_raised(num_processes):
    with pytest.raises(ValueError, match="three is too many"):
        list(map_in_processes(fail_at_three, range(10), num_processes))


def test_killed_process_is_an_error():
    with pytest.raises(ChildProcessError, match="set a lower num_processes"):
        list(map_in_processes(die_at_three, range(10), 2))


def test_zero_processes_are_an_error():
    with pytest.raises(ValueError, match="num_processes must be 1 or more, got 0"):
        list(map_in_processes(fail_at_three, range(10), 0))


def test_unpicklable_error_is_raised_with_its_traceback():
    with pytest.raises(RuntimeError, match="Unsendable: number: odd"):
        list(map_in_processes(fail_unsendably, range(4), 2))


def test_closing_early_ends_the_processes():
    results = map_in_processes(slowly, range(200), 2)
    started = time.monotonic()
    assert next(results) == 0
    results.close()
    assert time.monotonic() - started < 5  # all of it would take 20 s


def test_workers_end_at_the_moment_of_their_parent(tmp_path):
    code = (
        "import time; from pathlib import Path; from zoo.processes import map_in_processes\n"
        "def beat(_):\n"
        "    while True: Path('beat').touch(); time.sleep(0.005)\n"
        "list(map_in_processes(beat, range(2), 2))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    until = time.monotonic() + 60
    while not (tmp_path / "beat").is_file():
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.wait()
    killed = time.time()
    time.sleep(1)
    assert (tmp_path / "beat").stat().st_mtime < killed + 0.2  # they are polled twice a second where Linux is not


def test_an_interrupt_waits_for_the_end_of_a_block():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_deferred():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append(True)
        assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
