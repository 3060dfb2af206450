"""Which trials end early: Optuna's pruners, on a history that does not depend on timing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.proposals.median import MedianJury, NoJury
from search.proposals.told import ToldTrial
from search.spec.tables import PrunerTable, Spec

_States = Container[TrialState] | None


def make_jury(
    spec: Spec, own: BasePruner | None, seen_by: Callable[[int], int], every: int, total_steps: int
) -> Jury | MedianJury | NoJury:
    """What judges trials that report each `every` of their steps.

    own: a pruner of the user's, instead of the one that the spec names. seen_by: as `Jury` has it.
    """
    if own is None and spec.pruner.name == "none":
        return NoJury()
    if own is None and spec.pruner.name == "median":
        # It looks at no step before the third report.
        return MedianJury(spec.pruner.startup_trials, 2 * every, seen_by)
    return Jury(spec, own or make_pruner(spec.pruner, every, total_steps), seen_by)


def make_pruner(pruner: PrunerTable, every: int, total_steps: int) -> BasePruner:
    """The pruner a spec asks for, where trials report each `every` of their steps."""
    with quiet():
        return _made(pruner, every, total_steps)


def _made(pruner: PrunerTable, every: int, total_steps: int) -> BasePruner:
    match pruner.name:
        case "median":
            return optuna.pruners.MedianPruner(
                n_startup_trials=pruner.startup_trials, n_warmup_steps=2 * every
            )
        case "asha":
            return optuna.pruners.SuccessiveHalvingPruner(
                min_resource=every, reduction_factor=pruner.reduction
            )
        case "hyperband":
            return optuna.pruners.HyperbandPruner(
                min_resource=every,
                max_resource=total_steps,
                reduction_factor=pruner.reduction,
            )
        case "wilcoxon":
            return optuna.pruners.WilcoxonPruner(p_threshold=pruner.p_threshold)
        case _:
            return optuna.pruners.NopPruner()


def report_interval(pruner: PrunerTable, total_steps: int, validate_every: int) -> int:
    """Training steps between two reports to the pruner: whole validation intervals."""
    intervals = total_steps // validate_every
    return validate_every * max(1, intervals // (pruner.reports + 1))


class Jury:
    """Judges trials with an Optuna pruner on a copy of the history, seen as of their proposal.

    seen_by: how many trials, the first ones, had been told when that of a number was proposed.
    """

    def __init__(self, spec: Spec, pruner: BasePruner, seen_by: Callable[[int], int]):
        self._seen_by = seen_by
        self._history = _HistoryUpTo()
        self._pruner = pruner
        self._study = optuna.create_study(
            study_name=spec.name,
            storage=self._history,
            directions=["minimize"] * len(spec.objective.minimise),
            pruner=self._pruner,
        )

    def _ensure(self, number: int) -> None:
        """Make the copy hold trials up to this number; numbers there are ids as well."""
        while self._history.n_trials <= number:
            self._history.create_new_trial(self._study._study_id)

    def prune(self, number: int, step: int, value: float) -> bool:
        """Whether a trial that reports `value` at `step` should end."""
        self._ensure(number)
        self._history.set_trial_intermediate_value(number, step, value)
        self._history.look_from(number, self._seen_by(number))
        with quiet():
            return bool(self._pruner.prune(self._study, self._history.get_trial(number)))

    def learn(self, trial: ToldTrial) -> None:
        """Remember how a trial ended."""
        self._ensure(trial.number)
        for step, value in trial.reports:
            self._history.set_trial_intermediate_value(trial.number, step, value)
        for key, mark in trial.marks.items():
            self._history.set_trial_system_attr(trial.number, key, mark)
        if trial.pruned:
            last = trial.reports[-1][1:] if trial.reports else None
            self._history.set_trial_state_values(trial.number, TrialState.PRUNED, last)
        else:
            self._history.set_trial_state_values(trial.number, TrialState.COMPLETE, trial.values)

    def marks(self, number: int) -> dict[str, Any]:
        """What the pruner has noted on a trial."""
        if number >= self._history.n_trials:
            return {}
        return dict(self._history.get_trial(number).system_attrs)


class _HistoryUpTo(InMemoryStorage):
    """A history of which a trial sees only what had been told when it was proposed."""

    def __init__(self) -> None:
        super().__init__()
        self.n_trials = 0
        self._from, self._visible = 0, 0

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self.n_trials += 1
        return super().create_new_trial(study_id, template_trial)

    def look_from(self, number: int, visible: int) -> None:
        """Show the trials below `visible`, and trial `number` itself."""
        self._from, self._visible = number, visible

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: _States = None
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy=False, states=states)
        return [
            trial for trial in trials if trial.number == self._from or trial.number < self._visible
        ]

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        completed = self.get_all_trials(study_id, states=(TrialState.COMPLETE,))
        if not completed:
            raise ValueError("No trials are completed yet.")
        if self.get_study_directions(study_id) != [StudyDirection.MINIMIZE]:
            raise RuntimeError("Several objectives have no single best trial.")
        return min(completed, key=lambda trial: (trial.value, trial.number))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's warnings about experimental samplers and reports it cannot use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
