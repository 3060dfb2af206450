"""How far a comparison is, in a terminal or a log."""

from __future__ import annotations

import shutil
import sys

from search.cli.text_tables import shown_seconds
from search.console.quiet import progress_is_shown


class ComparisonLine:
    """How far a comparison is: one line on a terminal, and one for each split elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = ""

    def update(self, finished: float, total: int, now: str, seconds_left: float | None) -> None:
        """Show the split under way."""
        if not progress_is_shown():
            return
        left = "" if seconds_left is None else f", about {shown_seconds(seconds_left)} left"
        if self._terminal:
            width = shutil.get_terminal_size().columns
            text = f"{finished:.1f} of {total} splits, {now}{left}"
            sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
        elif now != self._last:
            sys.stderr.write(f"{int(finished)} of {total} splits finished, now {now}{left}\n")
        self._last = now
        sys.stderr.flush()

    def close(self) -> None:
        """Take the line away."""
        if self._terminal and progress_is_shown():
            sys.stderr.write("\r\x1b[K")
