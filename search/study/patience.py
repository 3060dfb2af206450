"""Searches that no longer get better: how long a study waits for an improvement."""

from __future__ import annotations

import math

import numpy as np

from search.spec.tables import Spec
from search.study.record import TrialRecord
from search.study.summary_lines import TrialSummary

Trial = TrialRecord | TrialSummary

# Of an error from a single training, less than this share of the best is taken for noise.
_NO_DIFFERENCE = 1e-3


class PatienceWatch:
    """Whether so many trials have brought no improvement that more are hardly worth it.

    Sees the finished trials in the order of their numbers, so that every run of a study stops at
    the same one.
    """

    def __init__(self, spec: Spec):
        self._limit = spec.patience
        self._best: Trial | None = None
        self._seen = self._waited = 0
        self.enough = False

    def add(self, record: Trial) -> bool:
        """Take note of the next trial; whether it was the one that made it enough."""
        if self.enough:
            return False
        self._seen += 1
        if record.eligible and (self._best is None or improves(record, self._best)):
            self._best, self._waited = record, 0
        else:
            # Until anything has completed, nothing can have improved.
            self._waited += self._best is not None
        self.enough = self._limit is not None and self._waited >= self._limit
        return self.enough

    @property
    def sentence(self) -> str:
        """Why no more trials are proposed, for people."""
        assert self._best is not None
        return (
            f"Stopped: {self._waited} trials in a row were no better than trial "
            f"{self._best.number} by more than noise, so no more were proposed after the first "
            f"{self._seen}, and those under way were trained to their end. A larger patience "
            "goes on."
        )


def improves(record: Trial, best: Trial) -> bool:
    """Whether a trial is better than the best so far, in its first objective and beyond noise.

    Repeats of the same number have the same data and start in every trial. So what the trials of
    several repeats differ by, repeat by repeat, has to exceed its own standard error; of one
    training it has to exceed a thousandth of the best.
    """
    name, least = next(iter(best.objectives.items()))
    gain = least - record.objectives[name]
    if gain <= 0:
        return False
    before, now = _by_repeat(best, name), _by_repeat(record, name)
    if len(before) < 2 or len(before) != len(now):
        return gain > _NO_DIFFERENCE * abs(least)
    differences = np.subtract(before, now)
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return float(differences.mean()) > error


def _by_repeat(record: Trial, name: str) -> list[float]:
    """The objective of each repeat; none where repeats have none of their own."""
    values = record.by_repeat(name)
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []
