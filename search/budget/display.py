"""What a budget study shows while it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import IO, Protocol, Self

from search.console.quiet import progress_is_shown
from search.console.terminal import Lines, LiveLines, Silent, console_of

__all__ = ["BudgetState", "Display", "LiveDisplay", "PlainLines", "Silent", "make_display"]


@dataclass(frozen=True)
class BudgetState:
    """Where a study stands. total: at most so many experiments. answer: so far, in words."""

    finished: int
    total: int
    running: int
    workers: int
    answer: str | None

    @property
    def parts(self) -> list[str]:
        """The state in words."""
        parts = [
            f"{self.finished} of at most {self.total} experiments done",
            f"{self.running} under way on {self.workers} workers",
        ]
        return parts if self.answer is None else [*parts, self.answer]


class Display(Protocol):
    """Shows how a study gets on."""

    def __enter__(self) -> Self:
        """Begin showing."""

    def __exit__(self, *details: object) -> None:
        """Stop showing."""

    def say(self, message: str) -> None:
        """Show what is happening, once."""

    def show(self, state: BudgetState) -> None:
        """Show where it stands; called often."""


class PlainLines(Lines):
    """A line now and then, for logs and pipes."""

    def __init__(self, stream: IO[str] | None = None, every: float = 15.0):
        super().__init__(stream)
        self._every, self._last, self._finished = every, 0.0, -1

    def show(self, state: BudgetState) -> None:
        """Print a line if enough time has passed, or everything is done."""
        now = time.monotonic()
        due = state.finished >= state.total or now - self._last >= self._every
        if due and state.finished != self._finished:
            self._last, self._finished = now, state.finished
            self.say("; ".join(state.parts))


class LiveDisplay(LiveLines):
    """A few lines at the bottom of a terminal that keep themselves up to date."""

    def show(self, state: BudgetState) -> None:
        """Bring the live lines up to date."""
        self.update(state.finished, max(1, state.total), state.parts[0], state.parts[1:])


def make_display(stream: IO[str] | None = None) -> Display:
    """Live lines on a terminal, plain lines anywhere else; nothing where progress is not shown."""
    if not progress_is_shown():
        return Silent()
    console = console_of(stream)
    return LiveDisplay(console) if console.is_terminal else PlainLines(stream)
