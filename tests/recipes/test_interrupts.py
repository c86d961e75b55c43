"""Interrupts that arrive where Python drops them, and by SIGTERM."""

import os
import signal
import time

import pytest

from recipes.engine import interrupts
from recipes.engine.interrupts import lasting_interrupts


class Interrupted:
    """Interrupts this process while it is destroyed, where the exception is dropped."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def handled(monkeypatch):
    monkeypatch.setattr(interrupts, "REPEAT_SECONDS", 0.2)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # libraries such as ray install their own
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_in_a_destructor_is_not_lost():
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        part = Interrupted()
        del part
        time.sleep(10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_interrupt_once_and_their_handlers_come_back(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), lasting_interrupts():
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert signal.getsignal(number) == before
    time.sleep(0.5)  # nothing is repeated after the block


def test_what_was_started_with_interrupts_ignored_ignores_them():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with lasting_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
