"""Ctrl-C: what it leaves, and letting it wait while something must not be half done."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The user stopped a run; everything finished is kept in `folder`.

    finished, total: how many of its parts, which `parts` names in the plural.
    """

    def __init__(self, folder: Path, finished: int, total: int, parts: str):
        self.folder, self.finished, self.total, self.parts = folder, finished, total, parts
        kept = f", which are kept in {folder}" if finished else ""
        super().__init__(f"stopped with {finished} of {total} {parts} finished{kept}")


# What has arrived in each block of `uninterrupted` that is under way.
_held: list[list[int]] = []
_LOOK_EVERY, _AGAIN = 0.2, 0.02  # seconds


def pause(seconds: float) -> None:
    """Wait, also within `uninterrupted`, where a signal that has arrived ends the waiting.

    Raises KeyboardInterrupt then.
    """
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if any(_held):
            raise KeyboardInterrupt
        time.sleep(min(left, _LOOK_EVERY))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM until the block has ended; they count then.

    Python runs signal handlers between any two steps of the main thread, and so in the middle of
    a library's own clean-up, whose failure would then hide the interrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    _held.append(pending)
    before = {
        number: signal.signal(number, lambda arrived, _: pending.append(arrived))
        for number in STOPPING
    }
    try:
        yield
    finally:
        _held.remove(pending)
        for number, handler in before.items():
            # None: a handler that was not set from Python and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if pending:
            signal.raise_signal(pending[0])


_unanswered: list[int] = []
# Those that will send a signal once more.
_senders: list[threading.Timer] = []


def interrupt(number: int, frame: FrameType | None) -> None:
    """Answer a signal with KeyboardInterrupt, a little later where that would be lost."""
    _unanswered.append(number)
    if _is_in_callback(frame):
        again = threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
        again.daemon = True
        _senders.append(again)
        again.start()
        return
    raise KeyboardInterrupt


def _answered() -> None:
    """Forget what has arrived, and do not send it again."""
    _unanswered.clear()
    while _senders:
        _senders.pop().cancel()


# Functions below which Python calls others whose exceptions it prints and forgets: what ends an
# object, and what has to be done around a fork, as when Ray starts a process.
_LOSING = ("__del__", "_execute_child")


def _is_in_callback(frame: FrameType | None) -> bool:
    """Whether Python itself may have called what runs: an exception is printed there, and lost.

    The garbage collector has such callbacks too, one of JAX, which runs often while it traces.
    """
    callbacks = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks or frame.f_code.co_name in _LOSING:
            return True
        frame = frame.f_back
    return False


def interrupt_if_asked() -> None:
    """Raise KeyboardInterrupt once more where a signal's was lost.

    Where it arrives in a callback that Python itself calls, it is printed, and all goes on.
    """
    if _unanswered:
        _answered()
        raise KeyboardInterrupt


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """End cleanly on Ctrl-C, and just so when a scheduler asks to with SIGTERM.

    A shell lets what a script runs in the background ignore Ctrl-C; what runs here does not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, interrupt) for number in STOPPING]
    _answered()
    try:
        yield
    finally:
        _answered()
        for number, handler in zip(STOPPING, before, strict=True):
            signal.signal(number, handler)
