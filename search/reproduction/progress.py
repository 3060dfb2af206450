"""What a reproduction shows while it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Protocol, Self

from search.console.terminal import Lines, LiveLines, Silent, console_of
from search.reproduction.task import Task
from search.reproduction.workers import TaskUnderWay

__all__ = ["Display", "LiveDisplay", "Pace", "PlainLines", "Silent", "State", "make_display"]

_SHOW_EVERY = 0.5  # seconds


@dataclass(frozen=True)
class State:
    """Where a reproduction stands.

    share: of this run's work that is done. failed: tasks without a network.
    """

    finished: int
    total: int
    failed: int
    share: float
    running: tuple[str, ...]
    seconds_left: float | None

    @property
    def parts(self) -> list[str]:
        """The state in words."""
        failed = f", {self.failed} failed" if self.failed else ""
        parts = [f"{self.finished} of {self.total} tasks done{failed}"]
        if self.running:
            parts.append(", ".join(self.running))
        if self.seconds_left is not None:
            parts.append(f"about {_duration(self.seconds_left)} left")
        return parts


class Display(Protocol):
    """Shows how a reproduction gets on."""

    def __enter__(self) -> Self:
        """Begin showing."""

    def __exit__(self, *details: object) -> None:
        """Stop showing."""

    def say(self, message: str) -> None:
        """Show what is happening, once."""

    def show(self, state: State) -> None:
        """Show where it stands; called often."""


class PlainLines(Lines):
    """A line now and then, for logs and pipes."""

    def __init__(self, stream: IO[str] | None = None, every: float = 15.0):
        super().__init__(stream)
        self._every = every
        self._last = -every
        self._finished = -1

    def show(self, state: State) -> None:
        """Print a line where a task ended, and else if enough time has passed."""
        now = time.monotonic()
        if state.finished == self._finished and now - self._last < self._every:
            return
        self._last, self._finished = now, state.finished
        self.say("; ".join(state.parts))


class LiveDisplay(LiveLines):
    """A few lines at the bottom of a terminal that keep themselves up to date."""

    def show(self, state: State) -> None:
        """Bring the live lines up to date."""
        self.update(state.share, 1.0, state.parts[0], state.parts[1:])


def make_display(stream: IO[str] | None = None) -> Display:
    """Live lines on a terminal, plain lines anywhere else."""
    console = console_of(stream)
    return LiveDisplay(console) if console.is_terminal else PlainLines(stream)


class Pace:
    """How far the tasks of a run are, by what they cost, and how long the rest will take."""

    def __init__(self, tasks: list[Task], *, finished: int, total: int):
        self._left = {task: task.cost for task in tasks}
        self._whole = sum(self._left.values())
        self._finished, self._total = finished, total
        self._failed = 0
        self._running: dict[Task, TaskUnderWay] = {}
        self._started = time.monotonic()
        self._shown = 0.0

    def take(self, progress: TaskUnderWay) -> None:
        """A task is under way."""
        self._running[progress.task] = progress

    def end(self, task: Task, *, failed: bool) -> None:
        """A task is over."""
        self._running.pop(task, None)
        self._left.pop(task)
        self._finished += 1
        self._failed += failed

    def is_due(self) -> bool:
        """Whether people should be shown something again."""
        if time.monotonic() - self._shown < _SHOW_EVERY:
            return False
        self._shown = time.monotonic()
        return True

    @property
    def state(self) -> State:
        """Where the run stands."""
        left = sum(self._left.values()) - sum(
            progress.share * task.cost for task, progress in self._running.items()
        )
        share = 1 - left / self._whole if self._whole else 1.0
        seconds = time.monotonic() - self._started
        # Before that an estimate would be a guess.
        known = share > 0.02 and seconds > 10
        return State(
            finished=self._finished,
            total=self._total,
            failed=self._failed,
            share=share,
            running=_described(self._running),
            seconds_left=seconds * (1 - share) / share if known and share < 1 else None,
        )


def _described(running: Mapping[Task, TaskUnderWay]) -> tuple[str, ...]:
    return tuple(f"{task.name}: {progress.doing}" for task, progress in running.items())


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes else "a minute"
