"""What a user gives a sweep in Python: a sampler, a pruner, a metric, and functions to call.

None of it can stand in a TOML file, so a study keeps the names and is gone on with in Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cellbox.errors import InputError, Problem, refuse
from search.study.folder import StudyFolder, TrialNetworks
from search.study.ranking import rank
from search.study.record import TrialRecord
from search.study.result import TrialResult
from search.study.summary_lines import TrialSummary

if TYPE_CHECKING:
    # They bring Optuna and JAX.
    from cellbox.models.model import FittedModel
    from search.proposals.own import OwnChoice

Metric = Callable[["FittedModel", Mapping[str, Any]], float]
"""From a trained model and its metrics, as a record has them, to what is minimised."""

OnTrial = Callable[[TrialResult], object]
"""What is called with a trial that has ended."""


class StopSweep(Exception):
    """Raised by a callback, ends the sweep as cleanly as Ctrl-C, and its call returns."""


@dataclass(frozen=True)
class OwnParts:
    """What a user gives instead of what the spec names, and what is to be called.

    sampler, pruner: Optuna's, instead of those that the spec names. A function from a seed to a
    sampler is asked for one for each trial, and then a study that was stopped goes on the same; one
    sampler for all trials remembers nothing over a restart. metric: what is minimised instead of
    the spec's objective: a function of a trained model and its metrics, as a record has them.
    on_trial, on_improvement: called with each `TrialResult` that has ended, and with each that is
    better than all before it. Where one raises, that is shown and the sweep goes on, except for
    `search.StopSweep`, which ends it cleanly.
    """

    sampler: Any = None
    pruner: Any = None
    metric: Metric | None = None
    on_trial: OnTrial | None = None
    on_improvement: OnTrial | None = None

    @property
    def names(self) -> dict[str, str]:
        """The names of what decides what is found."""
        parts = {"sampler": self.sampler, "pruner": self.pruner, "metric": self.metric}
        return {part: _name(given) for part, given in parts.items() if given is not None}

    @property
    def objectives(self) -> tuple[str, ...]:
        """The name of the metric; none where the spec's objectives hold."""
        if self.metric is None:
            return ()
        name = _name(self.metric).rpartition(".")[2]
        # A lambda has a name that no table should have.
        return (name if name.isidentifier() else "metric",)

    def choice(self) -> OwnChoice:
        """The sampler and the pruner."""
        from search.proposals.own import OwnChoice

        return OwnChoice(self.sampler, self.pruner)

    def check(self, n_objectives: int) -> None:
        """Raise InputError with everything that cannot be used."""
        problems = [
            Problem(name, f"expected a function, found {given!r}", "Give one, or leave it out")
            for name in ("metric", "on_trial", "on_improvement")
            if (given := getattr(self, name)) is not None and not callable(given)
        ]
        if self.sampler is not None or self.pruner is not None:
            problems += self.choice().problems()
        for name in ("metric", "pruner"):
            if getattr(self, name) is not None and n_objectives > 1:
                found = f"expected one objective beside a {name} of one's own, found two"
                problems.append(Problem(name, found, "Minimise one objective, or leave it out"))
        if problems:
            raise InputError(problems)

    def measured(
        self, record: TrialRecord, networks: TrialNetworks, folder: StudyFolder
    ) -> TrialRecord:
        """The record with the user's metric as its objective, a mean over its repeats.

        Raises InputError where the metric fails, or gives no finite number.
        """
        if self.metric is None:
            return record
        (name,) = self.objectives
        values = []
        for place, repeat in enumerate(record.repeats):
            model = TrialResult(folder, record).model_of(networks, place)
            try:
                value = float(self.metric(model, repeat.metrics))
            except Exception as error:
                found = f"failed at trial {record.number}: {type(error).__name__}: {error}"
                raise refuse(f"the metric {name}", found, _MENDED) from error
            if not math.isfinite(value):
                found = f"expected a finite number for trial {record.number}, found {value}"
                raise refuse(f"the metric {name}", found, _MENDED)
            values.append(value)
        return replace(record, objectives={name: float(np.mean(values))})


_MENDED = "Correct it; what has finished is kept, and the same call goes on"


class Callbacks:
    """Calls the user's functions; one that fails is told of and does not end the sweep."""

    def __init__(
        self,
        own: OwnParts,
        folder: StudyFolder,
        say: Callable[[str], None],
    ):
        self._own = own
        self._folder = folder
        self._best: TrialRecord | TrialSummary | None = None
        self._say = say
        self.stopped_by: str | None = None

    def know(self, trial: TrialSummary) -> None:
        """Take note of a trial of an earlier run."""
        if trial.eligible and (self._best is None or rank(trial) < rank(self._best)):
            self._best = trial

    def trial_ended(self, record: TrialRecord) -> None:
        """Call what wants to know of a trial that has ended and is kept."""
        trial = TrialResult(self._folder, record)
        self._call("on_trial", trial)
        if record.eligible and (self._best is None or rank(record) < rank(self._best)):
            self._best = record
            self._call("on_improvement", trial)

    def _call(self, name: str, trial: TrialResult) -> None:
        call = getattr(self._own, name)
        if call is None:
            return
        try:
            call(trial)
        except StopSweep as stop:
            reason = f": {stop}" if str(stop) else ""
            self.stopped_by = f"{name} asked to at trial {trial.number}{reason}"
        except Exception as error:
            self._say(
                f"{name} failed at trial {trial.number} and the sweep goes on: "
                f"{type(error).__name__}: {error}"
            )


def _name(given: Any) -> str:
    kind = given if hasattr(given, "__qualname__") else type(given)
    return f"{kind.__module__}.{kind.__qualname__}"
