"""Trials that found the same optimum: what differs among their settings made no difference.

Least squares reach the optimum of their data to rounding, wherever descent left them. Then the best
trial is one of many, and its rate or schedule no better than theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from search.spec.tables import Spec
from search.study.record import TrialRecord
from search.study.summary_lines import TrialSummary

Trial = TrialRecord | TrialSummary
Some = TypeVar("Some", TrialRecord, TrialSummary)

# Objectives no further apart than this share are one optimum, reached with other rounding.
_ALIKE = 1e-6


def tied_with(best: Trial, records: Iterable[Some]) -> list[Some]:
    """The eligible trials whose objectives are all those of the best; itself is among them."""
    return [record for record in records if record.eligible and _alike(record, best)]


def tie_sentences(tied: Sequence[Trial], n_completed: int) -> list[str]:
    """What a tie says of the settings, for people; nothing where the best trial is alone."""
    if len(tied) < 2:
        return []
    listed = ", ".join(map(as_people_say, searched(tied)))
    made = f" What differs among them made no difference: {listed}." if listed else ""
    return [f"{len(tied)} of {n_completed} completed trials found the same optimum.{made}"]


class TieWatch:
    """Whether so many trials have found the same optimum that more would bring nothing.

    Sees the finished trials in the order of their numbers, so that every run of a study stops at
    the same one.
    """

    def __init__(self, spec: Spec):
        one = len(spec.objective.minimise) == 1 and spec.objective.error_target is None
        budgets = spec.space.searched_budget_axes()
        # A training that goes on and finds nothing better keeps what it had.
        whole = not spec.sampler.by_generations
        self._limit = spec.sampler.stop_when_tied if one and not budgets and whole else 0
        self._best: Trial | None = None
        # Their points: one that a finite space has proposed again says nothing new.
        self._tied: set[str] = set()
        self._seen = 0
        self.enough = False

    def add(self, record: Trial) -> bool:
        """Take note of the next trial; whether it was the one that made it enough."""
        if self.enough:
            return False
        self._seen += 1
        if not self._limit or not record.eligible:
            return False
        if self._best is not None and _alike(record, self._best):
            self._tied.add(_point(record))
        elif self._best is None or _first_objective(record) < _first_objective(self._best):
            self._best, self._tied = record, {_point(record)}
        self.enough = len(self._tied) >= self._limit
        return self.enough

    @property
    def sentence(self) -> str:
        """Why no more trials are proposed, for people."""
        return (
            f"Stopped: {len(self._tied)} of the first {self._seen} trials found the same optimum "
            "with different settings, so no more were proposed, and those under way were trained "
            "to their end. stop_when_tied = 0 in [sampler] goes on."
        )


def _point(record: Trial) -> str:
    return json.dumps(record.parameters, sort_keys=True)


def _first_objective(record: Trial) -> float:
    return next(iter(record.objectives.values()))


def searched(records: Iterable[Trial]) -> list[str]:
    """Parameters that have several values among these trials."""
    values: dict[str, set[Any]] = {}
    for record in records:
        for name, value in record.parameters.items():
            values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]


def as_people_say(parameter: str) -> str:
    """A parameter's name without the budget's prefix and underscores."""
    return parameter.removeprefix("budget.").replace("_", " ")


def _alike(record: Trial, best: Trial) -> bool:
    # The error too: with an error target the objective is the cost, which many networks share.
    return all(
        _near(found, wanted)
        for found, wanted in (
            *((record.objectives[name], value) for name, value in best.objectives.items()),
            (record.metrics.get("validation_mae"), best.metrics.get("validation_mae")),
        )
    )


def _near(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return abs(found - wanted) <= _ALIKE * abs(wanted)
