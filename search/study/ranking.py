"""How the trials of a study ended, and which are the best."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from search.study.folder import StudyFolder
from search.study.record import TrialRecord
from search.study.summaries import summaries_of
from search.study.summary_lines import TrialSummary

N_BEST = 5

Trial = TypeVar("Trial", TrialRecord, TrialSummary, TrialRecord | TrialSummary)


@dataclass
class TrialCounts:
    """How many trials ended in which way, and the best so far."""

    complete: int = 0
    pruned: int = 0
    diverged: int = 0
    best: TrialRecord | TrialSummary | None = None

    @classmethod
    def of(cls, folder: StudyFolder) -> TrialCounts:
        """Count what a study already has."""
        counts = cls()
        for summary in summaries_of(folder):
            counts.add(summary)
        return counts

    def add(self, record: TrialRecord | TrialSummary) -> None:
        """Count one more finished trial."""
        if record.completed:
            self.complete += 1
            better = self.best is None or rank(record) < rank(self.best)
            if record.eligible and better:
                self.best = record
        elif record.pruned:
            self.pruned += 1
        else:
            self.diverged += 1

    @property
    def finished(self) -> int:
        """All that have ended."""
        return self.complete + self.pruned + self.diverged

    def as_dict(self) -> dict[str, int]:
        """The three counts by name."""
        return {"complete": self.complete, "pruned": self.pruned, "diverged": self.diverged}


def rank(record: TrialRecord | TrialSummary) -> tuple[float, float, int]:
    """Sorts completed trials: by the first objective, then the second, then the number."""
    values = list(record.objectives.values())
    return values[0], values[1] if len(values) > 1 else 0.0, record.number


def ranked(records: Iterable[Trial]) -> list[Trial]:
    """The completed trials that keep to the spec's constraints, the best first."""
    return sorted((record for record in records if record.eligible), key=rank)


def front_of(records: Iterable[Trial]) -> list[Trial]:
    """The trials that no other is at least as good as in every objective, best error first."""
    front: list[Trial] = []
    for record in ranked(records):
        # Sorted by the first objective, so only the second can still be better.
        second = rank(record)[1]
        if not front or second < rank(front[-1])[1]:
            front.append(record)
    return front


class BestTrials:
    """The best completed trials so far: of the front where there are several objectives."""

    def __init__(self, most: int = N_BEST):
        self._most = most
        self._kept: list[TrialRecord | TrialSummary] = []

    def add(self, record: TrialRecord | TrialSummary) -> bool:
        """Take note of a finished trial; whether the best are others now."""
        if not record.eligible:
            return False
        full = len(self._kept) >= self._most
        if full and len(record.objectives) == 1 and rank(record) > rank(self._kept[-1]):
            # As nearly all are in a long study.
            return False
        before = self.numbers
        records = [*self._kept, record]
        several = len(record.objectives) > 1
        self._kept = front_of(records) if several else ranked(records)[: self._most]
        return self.numbers != before

    @property
    def numbers(self) -> list[int]:
        """Their numbers, the best first."""
        return [record.number for record in self._kept[: self._most]]


def best_numbers(folder: StudyFolder) -> list[int]:
    """Numbers of the best completed trials of a study; none where there is no study."""
    return best_of(summaries_of(folder) if folder.exists() else ())


def best_of(trials: Iterable[TrialRecord | TrialSummary]) -> list[int]:
    """Numbers of the best of these trials, the best first."""
    best = BestTrials()
    for trial in trials:
        best.add(trial)
    return best.numbers
