"""Searches whose next trials are hardly expected to bring anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from search.spec.tables import Spec
from search.study.checked_json import NUMBERS
from search.study.lower_tail import chance_of_gain
from search.study.patience import Trial

# A study is looked at whenever it has grown by a twentieth, and by so many trials.
_GROWTH, _FEWEST_MORE = 20, 5
# Samplers whose latest trials are like their first.
_DO_NOT_LEARN = ("random", "grid", "qmc")


@dataclass(frozen=True)
class Outlook:
    """What more trials are expected to bring.

    chance: the most that it may be that `trials` more make the best error smaller by `improvement`
    of it or more. after: how many trials had finished.
    """

    chance: float
    trials: int
    improvement: float
    after: int

    def as_dict(self) -> dict[str, Any]:
        """As plain values; names are an interface."""
        return asdict(self)


def is_outlook(found: Any) -> bool:
    """Whether this is an outlook as plain values."""
    names = {field.name for field in fields(Outlook)}
    return NUMBERS.holds(found) and set(found) == names


def outlook_sentence(outlook: Mapping[str, Any]) -> str:
    """An outlook as plain values, for people."""
    return (
        f"after {outlook['after']} trials, another {outlook['trials']} have a chance of at most "
        f"{_percent(outlook['chance'])} to improve the best by "
        f"{_percent(outlook['improvement'])} or more"
    )


class GainWatch:
    """Whether more trials would hardly improve on the best, as those so far go.

    Sees the finished trials in the order of their numbers, so that every run of a study stops at
    the same one. Trials that were pruned, diverged or exceed a constraint count as ones that found
    nothing.

    learns: whether the sampler learns from trials; by default, as the spec's does.
    """

    def __init__(self, spec: Spec, *, learns: bool | None = None):
        self._wanted = spec.expected_gain
        self._learns = spec.sampler.name not in _DO_NOT_LEARN if learns is None else learns
        self._errors: list[float] = []
        self._best: Trial | None = None
        self._next_look = _FEWEST_MORE
        self.outlook: Outlook | None = None
        self.enough = False

    def add(self, record: Trial) -> bool:
        """Take note of the next trial; whether it was the one that made it enough."""
        if self._wanted is None or self.enough:
            return False
        self._errors.append(_error(record))
        if record.eligible and (self._best is None or _error(record) < _error(self._best)):
            self._best = record
        if len(self._errors) < self._next_look:
            return False
        n = len(self._errors)
        self._next_look = n + max(_FEWEST_MORE, n // _GROWTH)
        wanted = self._wanted
        chance = chance_of_gain(
            np.array(self._errors), wanted.trials, wanted.improvement, learns=self._learns
        )
        self.outlook = Outlook(chance, wanted.trials, wanted.improvement, n)
        self.enough = chance <= 1 - wanted.confidence
        return self.enough

    @property
    def sentence(self) -> str:
        """Why no more trials are proposed, for people."""
        assert self._best is not None
        assert self._wanted is not None
        assert self.outlook is not None
        name = next(iter(self._best.objectives)).replace("_", " ")
        wanted = self._wanted
        return (
            f"Stopped: after {self.outlook.after} trials it is at least "
            f"{_percent(1 - self.outlook.chance)} likely ({_percent(wanted.confidence)} were asked "
            f"for) that another {wanted.trials} would improve the best {name}, "
            f"{_error(self._best):.4g} of trial {self._best.number}, by less than "
            f"{_percent(wanted.improvement)}. So no more were proposed, and those under way were "
            "trained to their end. A smaller improvement under expected_gain, or none at all, "
            "goes on."
        )


def _error(record: Trial) -> float:
    return next(iter(record.objectives.values())) if record.eligible else math.inf


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
