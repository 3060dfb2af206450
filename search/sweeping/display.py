"""What a sweep shows while it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import IO, Protocol, Self

from rich.console import Console

from search.console.quiet import progress_is_shown
from search.console.terminal import Lines, LiveLines, Silent, console_of
from search.study.expected_gain import Outlook
from search.study.ranking import TrialCounts
from search.tracking.background import TrackingStatus

__all__ = ["Display", "LiveDisplay", "PlainLines", "Silent", "SweepState", "make_display"]

_LONGEST_SILENCE = 60.0


@dataclass(frozen=True)
class SweepState:
    """Where a sweep stands.

    training_share: of the workers' time, with their devices at work. filled_share: of the lanes in
        packs, while more trials were to come, with a training. outlook: what more trials are
        expected to bring, where that was asked for.
    """

    total: int
    counts: TrialCounts
    running: int
    workers: int
    programs: int
    compile_seconds: float
    training_share: float | None
    filled_share: float | None
    tracking: TrackingStatus | None
    outlook: Outlook | None = None


class Display(Protocol):
    """Shows how a sweep gets on."""

    def __enter__(self) -> Self:
        """Begin showing."""

    def __exit__(self, *details: object) -> None:
        """Stop showing."""

    def say(self, message: str) -> None:
        """Show what is happening, once."""

    def show(self, state: SweepState) -> None:
        """Show where the sweep stands; called often."""


class Pace:
    """Trials per minute and time left, from what this run has seen."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def update(self, state: SweepState) -> tuple[float | None, float | None]:
        """Trials per minute and the seconds left; None while that is not known."""
        now, finished = time.monotonic(), state.counts.finished
        if self._start is None:
            self._start = (now, finished)
        seconds, done = now - self._start[0], finished - self._start[1]
        if done == 0 or seconds == 0:
            return None, None
        rate = done / seconds
        return 60 * rate, max(0, state.total - finished) / rate


class PlainLines(Lines):
    """A line now and then, for logs and pipes."""

    def __init__(self, stream: IO[str] | None = None, every: float = 15.0):
        super().__init__(stream)
        self._every = every
        self._last_shown = 0.0
        self._last_finished = -1
        self._pace = Pace()

    def show(self, state: SweepState) -> None:
        """Print a line if enough time has passed, or everything is done."""
        rate, left = self._pace.update(state)
        now, finished = time.monotonic(), state.counts.finished
        over = finished >= state.total
        if not over and now - self._last_shown < self._every:
            return
        # A long silence looks like a fault, even where no trial has ended.
        if finished == self._last_finished and (over or now - self._last_shown < _LONGEST_SILENCE):
            return
        self._last_shown, self._last_finished = now, finished
        self.say(_line(state, rate, left))


class LiveDisplay(LiveLines):
    """A few lines at the bottom of a terminal that keep themselves up to date."""

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self._pace = Pace()

    def show(self, state: SweepState) -> None:
        """Bring the live lines up to date."""
        rate, left = self._pace.update(state)
        finished = state.counts.finished
        self.update(
            finished,
            max(1, state.total),
            f"{finished} of {state.total} trials",
            _line(state, rate, left).split("; "),
        )


def make_display(stream: IO[str] | None = None) -> Display:
    """Live lines on a terminal, plain lines anywhere else; nothing where progress is not shown."""
    if not progress_is_shown():
        return Silent()
    console = console_of(stream)
    return LiveDisplay(console) if console.is_terminal else PlainLines(stream)


def _line(state: SweepState, rate: float | None, left: float | None) -> str:
    counts = state.counts
    parts = [
        f"{counts.finished} of {state.total} done: {counts.complete} complete, "
        f"{counts.pruned} pruned, {counts.diverged} diverged; "
        f"{state.running} trainings running on {state.workers} workers"
    ]
    if counts.best is not None:
        name, value = next(iter(counts.best.objectives.items()))
        parts.append(f"best {name.replace('_', ' ')} {value:.4g} (trial {counts.best.number})")
    if rate is not None and left is not None:
        parts.append(f"{rate:.1f} trials per minute, {_duration(left)} left")
    if state.programs:
        parts.append(f"{state.programs} programs compiled in {state.compile_seconds:.0f} s")
    if state.training_share is not None:
        filled = "" if state.filled_share is None else f", packs {state.filled_share:.0%} full"
        parts.append(f"devices train {state.training_share:.0%} of the time{filled}")
    if state.tracking is not None and state.tracking.error is not None:
        parts.append(f"MLflow: {state.tracking.waiting} trials wait: {state.tracking.error}")
    return "; ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
