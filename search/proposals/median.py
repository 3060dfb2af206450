"""The median pruner, at the same cost after a hundred thousand trials as after ten.

Optuna's goes through all trials for each report. It judges by the median of what completed trials
reported at the same step; here these reports are kept sorted, and the median is looked up.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

from search.proposals.told import ToldTrial

# So many new ones are put in order with all others, fewer each in its place.
_MANY = 32


class MedianJury:
    """Judges as `optuna.pruners.MedianPruner`, of a history as of each trial's proposal.

    n_startup: completed trials before anything is pruned. n_warmup: steps before. seen_by: how many
    trials, the first ones, had been told when that of a number was proposed.
    """

    def __init__(self, n_startup: int, n_warmup: int, seen_by: Callable[[int], int]):
        self._n_startup, self._n_warmup = n_startup, n_warmup
        self._seen_by = seen_by
        # Numbers of completed trials, and by step what they reported.
        self._completed: list[int] = []
        self._reports: dict[int, _SortedReports] = {}
        # Of trials under way, (last step, least value).
        self._running: dict[int, tuple[int, float]] = {}

    def prune(self, number: int, step: int, value: float) -> bool:
        """Whether a trial that reports `value` at `step` should end."""
        last, least = self._running.get(number, (-1, value))
        least = min(least, value)
        self._running[number] = max(last, step), least
        visible = self._seen_by(number)
        n_completed = bisect.bisect_left(self._completed, visible)
        if not n_completed or n_completed < self._n_startup:
            return False
        if step < self._n_warmup or step <= last or step not in self._reports:
            return False
        median = self._reports[step].median(visible)
        return median is not None and least > median

    def learn(self, trial: ToldTrial) -> None:
        """Remember how a trial ended; to be called in the order of numbers."""
        self._running.pop(trial.number, None)
        if trial.pruned:
            return
        self._completed.append(trial.number)
        for step, value in dict(trial.reports).items():
            self._reports.setdefault(step, _SortedReports()).add(trial.number, value)

    def marks(self, number: int) -> dict[str, Any]:
        """Nothing: it notes nothing on trials."""
        return {}


class NoJury:
    """Prunes nothing, and remembers nothing."""

    def prune(self, number: int, step: int, value: float) -> bool:
        """Never."""
        return False

    def learn(self, trial: ToldTrial) -> None:
        """Nothing to remember."""

    def marks(self, number: int) -> dict[str, Any]:
        """None."""
        return {}


class _SortedReports:
    """What trials reported at one step, sorted, and by whom."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._values: list[float] = []
        # Of the first of these, as many as have been looked at.
        self._sorted: list[float] = []

    def add(self, number: int, value: float) -> None:
        """Add the report of a trial, whose number is above those before."""
        self._numbers.append(number)
        self._values.append(value)

    def _sort(self) -> None:
        new = self._values[len(self._sorted) :]
        if len(new) > _MANY:
            self._sorted = sorted(self._values)
            return
        for value in new:
            bisect.insort(self._sorted, value)

    def median(self, visible: int) -> float | None:
        """Of the reports of the first `visible` trials, as numpy gives it; None of no reports."""
        count = bisect.bisect_left(self._numbers, visible)
        if not count:
            return None
        self._sort()
        # The few of later trials are left out.
        hidden = self._places_of(self._values[count:])
        low, high = (_place_without(hidden, k) for k in ((count - 1) // 2, count // 2))
        below, above = self._sorted[low], self._sorted[high]
        return above - (above - below) * 0.5 if low != high else below

    def _places_of(self, values: Sequence[float]) -> list[int]:
        """A place in the sorted list for each of these values, ascending."""
        places: list[int] = []
        for value in sorted(values):
            first = bisect.bisect_left(self._sorted, value)
            # Equal values have places side by side.
            places.append(max(first, places[-1] + 1) if places else first)
        return places


def _place_without(hidden: Sequence[int], rank: int) -> int:
    """The place of the value of this rank, counted from 0, where those at `hidden` do not count."""
    for place in hidden:
        if place > rank:
            break
        rank += 1
    return rank
