"""A file that one process at a time holds."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellbox.errors import refuse


@contextmanager
def locked(file: Path, *, otherwise: str, fix: str) -> Iterator[None]:
    """Hold a lock file for a block, or as long as this process lives.

    Raises InputError, about the file's folder and with these words, where another process holds it.
    """
    with open(file, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise refuse(str(file.parent), otherwise, fix) from error
        yield
