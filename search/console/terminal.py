"""Ways to show progress: nothing, a line now and then, or live lines in a terminal.

What there is to show differs from command to command; each adds a `show` of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def say(self, message: str) -> None:
        """Nothing."""

    def show(self, state: object) -> None:
        """Nothing."""


class Lines:
    """Lines for logs and pipes."""

    def __init__(self, stream: IO[str] | None = None):
        self._stream = stream or sys.stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def say(self, message: str) -> None:
        """Print the message."""
        print(message, file=self._stream, flush=True)


class LiveLines:
    """A few lines at the bottom of a terminal that keep themselves up to date."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console(stderr=True)
        self._live = Live("starting", console=self._console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        """Print the message above the live lines."""
        # What stands in brackets, as in error messages, is no markup.
        self._console.print(message, style="dim", highlight=False, markup=False)

    def update(self, completed: float, total: float, beside: str, below: Iterable[str]) -> None:
        """A bar of `completed` out of `total` with a text beside it, and lines below."""
        first = Table.grid(padding=(0, 1))
        first.add_row(ProgressBar(total=total, completed=completed, width=40), beside)
        self._live.update(Group(first, *(Text(line) for line in below)))


def console_of(stream: IO[str] | None) -> Console:
    """The console of a stream, or of standard error."""
    return Console(file=stream) if stream is not None else Console(stderr=True)
