"""Points that a finite space proposes again: their result is known, and they are not trained twice.

Everything random in a training follows from the study's seed, so that it would give the same again.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace

from search.study.record import TrialRecord
from search.study.summary_lines import TrialSummary, point_of
from search.sweeping.trials import Plan


class RepeatedPoints:
    """Which trial was the first at each point, and which others wait for its result."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._waiting: dict[int, list[Plan]] = {}

    def know(self, trial: TrialSummary) -> None:
        """Take note of a trial that an earlier run finished; to be called in order of numbers."""
        self._first.setdefault(trial.point, trial.number)

    def first(self, plan: Plan) -> int:
        """The first trial with the settings and budget of this one, which may be this one."""
        if plan.lineage is not None:
            # It goes on with another's training.
            return plan.number
        key = point_of(asdict(plan.settings), plan.budget.as_dict())
        # Where the record of the first is gone, an earlier run's repetition of it is not the first.
        self._first[key] = min(plan.number, self._first.get(key, plan.number))
        return self._first[key]

    def wait_for(self, first: int, plan: Plan) -> None:
        """Let a trial wait until the first at its point has ended."""
        self._waiting.setdefault(first, []).append(plan)

    def waiting_for(self, number: int) -> list[Plan]:
        """The trials that waited for this one, which has ended."""
        return self._waiting.pop(number, [])


def repeated_record(first: TrialRecord, plan: Plan) -> TrialRecord:
    """The record of a trial that has the settings and budget of an earlier one."""
    now = time.time()
    return replace(
        first,
        number=plan.number,
        parameters=plan.parameters,
        origin=plan.origin,
        message=f"Not trained again: the same settings as trial {first.number}. {first.message}",
        seconds=0.0,
        compile_seconds=0.0,
        started=now,
        finished=now,
    )
