"""Who answers Ctrl-C and SIGTERM while Ray starts and ends in this process: whoever did before.

Ray's C++ half has an answer of its own to SIGTERM, which ends the process at once, in the middle of
what it does; and where it leaves, it leaves the system's, which does the same without a word.
"""

from __future__ import annotations

import ctypes
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ray._private import utils as ray_utils

from search.console.interrupts import STOPPING
from search.workers.ray_address import raylet

_PUT_BACK_EVERY = 0.005  # seconds


class _Listener:
    """A thread to which this process's signals go while all others are deaf to them.

    Python answers them in the main thread, as ever.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        self._over.wait()
        # It may be there for a moment after it has been waited for.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)

    def close(self) -> None:
        """Be deaf as well."""
        self._over.set()
        self._thread.join()


@contextmanager
def signals_as_before() -> Iterator[None]:
    """Let the caller's answers to signals stand, instead of those that Ray sets when it starts.

    That of its C++ half ends the process at once, in the middle of what it does; and while it is
    being set up, its calls had better not be broken off.
    """
    with ExitStack() as changed:
        changed.enter_context(warnings.catch_warnings())
        # JAX warns of every fork; here it has no threads yet that a fork could break.
        warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in STOPPING}
        utils: Any = ray_utils
        handler_of_python, core_worker = utils.set_sigterm_handler, raylet.CoreWorker
        # Ray's threads, of which any could take a signal, are as deaf as the one that begins them.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        listener = _Listener()

        def put_back() -> None:
            for number, handler in before.items():
                # None: a handler that was not set from Python and cannot be put back.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

        def set_up(*arguments: Any, **options: Any) -> Any:
            nonlocal listener
            # Until Ray's own answer is gone again, signals wait.
            listener.close()
            try:
                return core_worker(*arguments, **options)
            finally:
                put_back()
                listener = _Listener()

        utils.set_sigterm_handler, raylet.CoreWorker = (lambda handler: None), set_up
        try:
            yield
        finally:
            utils.set_sigterm_handler, raylet.CoreWorker = handler_of_python, core_worker
            put_back()
            listener.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


@contextmanager
def answers_kept() -> Iterator[None]:
    """Keep the process's answers to signals while Ray ends, which lets SIGTERM kill it.

    In any thread: Python could set them in the main one alone.
    """
    library, kept = ctypes.CDLL(None), {}
    for number in STOPPING:
        # Longer than what describes an answer on any system.
        kept[number] = ctypes.create_string_buffer(1024)
        library.sigaction(number, None, kept[number])
    over = threading.Event()

    def put_back() -> None:
        while True:
            last = over.wait(_PUT_BACK_EVERY)
            for number, answer in kept.items():
                library.sigaction(number, answer, None)
            if last:
                return

    putting_back = threading.Thread(target=put_back, daemon=True)
    putting_back.start()
    try:
        yield
    finally:
        over.set()
        putting_back.join()
