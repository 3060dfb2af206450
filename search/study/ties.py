"""Trials that found the same optimum: what differs among their settings made no difference.

Least squares reach the optimum of their data to rounding, wherever descent left them. Then the best
trial is one of many, and its rate or schedule no better than theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from search.study.record import TrialRecord

# Objectives no further apart than this share are one optimum, reached with other rounding.
_ALIKE = 1e-6


def tied_with(best: TrialRecord, records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The completed trials whose objectives are all those of the best; itself is among them."""
    return [record for record in records if record.completed and _alike(record, best)]


def tie_sentences(tied: Sequence[TrialRecord], n_completed: int) -> list[str]:
    """What a tie says of the settings, for people; nothing where the best trial is alone."""
    if len(tied) < 2:
        return []
    listed = ", ".join(map(as_people_say, searched(tied)))
    made = f" What differs among them made no difference: {listed}." if listed else ""
    return [f"{len(tied)} of {n_completed} completed trials found the same optimum.{made}"]


def searched(records: Iterable[TrialRecord]) -> list[str]:
    """Parameters that have several values among these trials."""
    values: dict[str, set[Any]] = {}
    for record in records:
        for name, value in record.parameters.items():
            values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]


def as_people_say(parameter: str) -> str:
    """A parameter's name without the budget's prefix and underscores."""
    return parameter.removeprefix("budget.").replace("_", " ")


def _alike(record: TrialRecord, best: TrialRecord) -> bool:
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
