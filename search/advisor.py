"""Optuna, asked and told: proposes trials, learns from results, decides what to prune.

A sweep must be the same whatever ran beside it. So trial n is proposed when trials 0 to
n − in_flight have been told, always in the order of their numbers; its sampler is seeded by
its number; and whether it is pruned is judged against exactly those trials, not against
whatever else happens to have reported by then.
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from cellbox.errors import refuse
from search.space import Value, suggest
from search.spec import Pruner, Spec

# Optuna's warnings speak of its own call conventions, which a user of a sweep never sees.
optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True)
class Outcome:
    """What the sampler is told of a finished trial.

    values: one for each objective; empty for a pruned trial.
    reports: (step, value) pairs in order.
    marks: what the pruner noted on the trial; kept so that it survives a restart.
    """

    number: int
    pruned: bool
    values: tuple[float, ...]
    reports: tuple[tuple[int, float], ...]
    marks: dict[str, Any]


class Advisor:
    """The one place that knows Optuna."""

    def __init__(
        self,
        spec: Spec,
        folder: Path,
        *,
        several_times: bool,
        report_every: int,
        total_steps: int,
    ):
        self._spec = spec
        self._several_times = several_times
        self._study = optuna.create_study(
            study_name=spec.name,
            storage=open_storage(spec, folder),
            directions=["minimize"] * len(spec.objective.minimise),
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        self._jury = _Jury(spec, report_every, total_steps)
        self._asked = len(self._study.get_trials(deepcopy=False))

    @property
    def asked(self) -> int:
        """How many trials have been proposed, in this or an earlier run."""
        return self._asked

    def told(self) -> list[int]:
        """Numbers of the trials that the sampler has been told, ascending."""
        return [
            trial.number
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.is_finished()
        ]

    def ask(self) -> tuple[int, dict[str, Value]]:
        """Propose the next trial: its number and a point of the space."""
        self._study.sampler = make_sampler(self._spec, self._asked)
        self._asked += 1
        with _quiet():
            trial = self._study.ask()
            return trial.number, self._point(trial)

    def ask_again(self, number: int) -> dict[str, Value]:
        """The point of a trial that was proposed before and has not been told."""
        self._study.sampler = make_sampler(self._spec, number)
        trial_id = self._study._storage.get_trial_id_from_study_id_trial_number(
            self._study._study_id, number
        )
        # A killed process may have stored only part of a point; the rest is drawn as it would
        # have been, and what is stored is given back unchanged.
        with _quiet():
            return self._point(Trial(self._study, trial_id))

    def _point(self, trial: Trial) -> dict[str, Value]:
        return suggest(self._spec.space, trial, several_times=self._several_times)

    def tell(self, outcome: Outcome) -> None:
        """Tell the sampler how a trial ended; to be called in the order of numbers, once each."""
        self._study.sampler = make_sampler(self._spec, outcome.number)
        trial_id = self._study._storage.get_trial_id_from_study_id_trial_number(
            self._study._study_id, outcome.number
        )
        with _quiet():
            for step, value in outcome.reports:
                self._study._storage.set_trial_intermediate_value(trial_id, step, value)
            if outcome.pruned:
                self._study.tell(outcome.number, state=TrialState.PRUNED)
            else:
                self._study.tell(outcome.number, list(outcome.values))
        self.learn(outcome)

    def learn(self, outcome: Outcome) -> None:
        """Take note of a trial that was told, now or in an earlier run, for later pruning."""
        self._jury.learn(outcome)

    def prune(self, number: int, step: int, value: float) -> bool:
        """Whether a trial that reports `value` at `step` should end."""
        return self._jury.prune(number, step, value)

    def marks(self, number: int) -> dict[str, Any]:
        """What the pruner has noted on a trial."""
        return self._jury.marks(number)

    def close(self) -> None:
        """Let go of the storage's connections."""
        self._study._storage.remove_session()


def open_storage(spec: Spec, folder: Path) -> BaseStorage:
    """The storage a spec asks for: by URL, or a journal in the study's folder."""
    if spec.storage.url is None:
        folder.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    try:
        return optuna.storages.get_storage(spec.storage.url)
    except Exception as error:  # noqa: BLE001 - SQLAlchemy raises a driver's own errors here
        raise refuse(
            "storage.url",
            f"expected a storage that Optuna can open, found: {type(error).__name__}",
            "Check the address, the database's driver and that the server is running",
        ) from error


def make_sampler(spec: Spec, number: int) -> BaseSampler:
    """The sampler for one trial; seeded by its number, so that a restart changes nothing."""
    seed = (spec.seed * 1_000_003 + number) % 2**32
    samplers = optuna.samplers
    with _quiet():
        match spec.sampler.name:
            case "random":
                return samplers.RandomSampler(seed=seed)
            case "grid":
                return _AskedGrid(spec.space.grid(), seed=spec.seed)
            case "qmc":
                # The sequence is one for the whole study; the number picks its place in it.
                return samplers.QMCSampler(
                    seed=spec.seed, scramble=True, warn_independent_sampling=False
                )
            case "nsga2":
                return samplers.NSGAIISampler(
                    seed=seed, population_size=max(4, spec.sampler.in_flight)
                )
            case "gp":
                return samplers.GPSampler(
                    seed=seed, n_startup_trials=spec.sampler.startup_trials
                )
            case "cmaes":
                return samplers.CmaEsSampler(
                    seed=seed,
                    n_startup_trials=spec.sampler.startup_trials,
                    warn_independent_sampling=False,
                )
            case _:
                return samplers.TPESampler(
                    seed=seed,
                    n_startup_trials=spec.sampler.startup_trials,
                    multivariate=True,
                    group=True,
                    constant_liar=True,
                )


class _AskedGrid(optuna.samplers.GridSampler):
    """Optuna's grid, without its call to stop a loop that ask-and-tell does not have."""

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Nothing: the sweep knows the size of the grid."""


def make_pruner(pruner: Pruner, every: int, total_steps: int) -> BasePruner:
    """The pruner a spec asks for, where trials report each `every` of their steps."""
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


def report_interval(pruner: Pruner, total_steps: int, validate_every: int) -> int:
    """Training steps between two reports to the pruner: whole validation intervals."""
    intervals = total_steps // validate_every
    return validate_every * max(1, intervals // (pruner.reports + 1))


class _Jury:
    """Judges trials with Optuna's pruner on a copy of the history, seen as of their proposal."""

    def __init__(self, spec: Spec, report_every: int, total_steps: int):
        self._in_flight = spec.sampler.in_flight
        self._history = _HistoryUpTo()
        self._pruner = make_pruner(spec.pruner, report_every, total_steps)
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
        self._ensure(number)
        self._history.set_trial_intermediate_value(number, step, value)
        self._history.look_from(number, number - self._in_flight + 1)
        with _quiet():
            return bool(self._pruner.prune(self._study, self._history.get_trial(number)))

    def learn(self, outcome: Outcome) -> None:
        self._ensure(outcome.number)
        for step, value in outcome.reports:
            self._history.set_trial_intermediate_value(outcome.number, step, value)
        for key, mark in outcome.marks.items():
            self._history.set_trial_system_attr(outcome.number, key, mark)
        if outcome.pruned:
            last = outcome.reports[-1][1:] if outcome.reports else None
            self._history.set_trial_state_values(outcome.number, TrialState.PRUNED, last)
        else:
            self._history.set_trial_state_values(
                outcome.number, TrialState.COMPLETE, outcome.values
            )

    def marks(self, number: int) -> dict[str, Any]:
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
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy=False, states=states)
        return [
            trial
            for trial in trials
            if trial.number == self._from or trial.number < self._visible
        ]

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        completed = self.get_all_trials(study_id, states=(TrialState.COMPLETE,))
        if not completed:
            raise ValueError("No trials are completed yet.")
        if self.get_study_directions(study_id) != [StudyDirection.MINIMIZE]:
            raise RuntimeError("Several objectives have no single best trial.")
        return min(completed, key=lambda trial: (trial.value, trial.number))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's warnings about experimental samplers and reports it cannot use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
