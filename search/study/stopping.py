"""Asking a running sweep to end, from any machine that sees its folder.

The request is a file that the sweep looks for; no process is signalled. Whether a sweep is running
is told by the lock that it holds, not by what it wrote last.
"""

from __future__ import annotations

import getpass
import socket
import time
from collections.abc import Callable
from pathlib import Path

from search.study.folder import StudyFolder

_REQUEST = "stop.request"
_LOOK_EVERY = 0.2  # seconds


def ask_to_stop(folder: StudyFolder) -> None:
    """Leave the request."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A user without a name, as in some containers.
        user = "someone"
    folder.write_json(_REQUEST, {"asked": time.time(), "by": f"{user}@{socket.gethostname()}"})


def stop_asked(folder: StudyFolder) -> str | None:
    """Why the sweep should end, as a sentence; None where nobody asked."""
    if not folder.has(_REQUEST):
        return None
    try:
        by = folder.read_json(_REQUEST)["by"]
    except (OSError, ValueError, KeyError, TypeError):
        # Whatever is in it, someone put it there.
        by = "someone"
    return f"Stopped by `cellbox stop` ({by}); the same command goes on."


def forget_request(folder: StudyFolder) -> None:
    """Take a request away: one that was for an earlier run, or that has been heeded."""
    (folder.path / _REQUEST).unlink(missing_ok=True)


def stop_sweep(
    study: str | Path, *, wait: bool = True, tell: Callable[[str], None] = lambda said: None
) -> bool:
    """End the sweep that runs in a study's folder; whether one was running.

    wait: until it has ended. tell: told what is waited for.

    Raises InputError where there is no study. What has finished is kept, and the same sweep
    command goes on.

    Example:
        >>> import search
        >>> search.stop_sweep(search.sweep(search.read_spec("tiny.toml"), study="ends").folder.path)
        False
    """
    folder = StudyFolder.at(study)
    if not folder.is_held():
        return False
    ask_to_stop(folder)
    if wait:
        tell(f"asked the sweep in {folder.path} to end; waiting until it has")
        while folder.is_held():
            time.sleep(_LOOK_EVERY)
        # It may have ended by itself before it saw this.
        forget_request(folder)
    return True
