"""A file that one process at a time holds."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from cellbox.errors import refuse

# Of taking a lock, since one who only looks whether it is held has it for a moment.
_ATTEMPTS, _PAUSE = 3, 0.1  # seconds


@contextmanager
def locked(file: Path, *, otherwise: str, fix: str) -> Iterator[None]:
    """Hold a lock file for a block, or as long as this process lives.

    Raises InputError, about the file's folder and with these words, where another process holds it.
    """
    with open(file, "w") as lock:
        attempts = 1
        while not _taken(lock, fcntl.LOCK_EX):
            if attempts == _ATTEMPTS:
                raise refuse(str(file.parent), otherwise, fix)
            attempts += 1
            time.sleep(_PAUSE)
        yield


def is_locked(file: Path) -> bool:
    """Whether a process holds a lock file."""
    try:
        lock = open(file, encoding="utf-8")  # noqa: SIM115
    except FileNotFoundError:
        return False
    with lock:
        # Shared, so that two who look do not see each other; for a moment only, and `locked` tries
        # for longer than that.
        return not _taken(lock, fcntl.LOCK_SH)


def _taken(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
