"""Whether progress is shown at all, for the whole program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SHOWN: ContextVar[bool] = ContextVar("progress_is_shown", default=True)


@contextmanager
def shown_progress(shown: bool) -> Iterator[None]:
    """For a block, show progress or not."""
    token = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def progress_is_shown() -> bool:
    """Whether to show how work gets on."""
    return _SHOWN.get()
