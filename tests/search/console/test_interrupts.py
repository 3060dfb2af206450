"""Ctrl-C waits for what must not be half done."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from search.console.interrupts import (
    STOPPING,
    interrupt_if_asked,
    pause,
    stopped_by_signals,
    uninterrupted,
)


def test_an_interrupt_comes_after_the_block_and_not_within_it(interrupts_raise):
    done = []

    def write():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("written")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done == ["written"]


def test_without_an_interrupt_the_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_failure_of_the_block_is_not_lost():
    with pytest.raises(ValueError, match="broken"), uninterrupted():
        raise ValueError("broken")


def test_a_scheduler_that_asks_to_stop_is_answered_as_ctrl_c_is():
    before = [signal.getsignal(number) for number in STOPPING]
    for number in STOPPING:
        with pytest.raises(KeyboardInterrupt), stopped_by_signals():
            signal.raise_signal(number)
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_a_pause_within_uninterrupted_ends_with_the_signal_that_has_arrived(interrupts_raise):
    waited = []

    def wait():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            pause(3600)
            waited.append("to the end")

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert waited == []
    pause(0.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_python_only_prints_is_raised_again():
    class Collected:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    with stopped_by_signals():
        one = Collected()
        del one
        with pytest.raises(KeyboardInterrupt):
            interrupt_if_asked()
        # Once is enough.
        interrupt_if_asked()
        time.sleep(0.1)


def test_an_interrupt_in_a_callback_of_the_garbage_collector_comes_a_little_later():
    """Python would print it there and go on."""
    seen, armed = [], []

    def callback(phase, info):
        if armed and not seen:
            seen.append(phase)
            signal.raise_signal(signal.SIGTERM)

    def collect_and_wait():
        with stopped_by_signals():
            armed.append(True)
            # The youngest objects: a whole collection calls what else may lose an exception.
            gc.collect(0)
            seen.append("went on")
            time.sleep(10)

    gc.callbacks.append(callback)
    try:
        with pytest.raises(KeyboardInterrupt):
            collect_and_wait()
    finally:
        gc.callbacks.remove(callback)
    assert seen == ["start", "went on"]


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_an_interrupt_while_a_process_is_begun_comes_a_little_later(capfd):
    armed, seen = [], []

    def hook():
        if armed:
            armed.pop()
            signal.raise_signal(signal.SIGINT)

    # There for good, but after this test it does nothing.
    os.register_at_fork(after_in_parent=hook)

    def begin_and_wait():
        with stopped_by_signals():
            armed.append(True)
            # As Ray does: only with a function to call in the child are there hooks.
            command = [sys.executable, "-c", ""]
            seen.append(subprocess.Popen(command, preexec_fn=lambda: None))
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        begin_and_wait()
    [process] = seen
    assert process.wait(timeout=30) == 0
    assert "Traceback" not in capfd.readouterr().err
