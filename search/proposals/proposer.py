"""Optuna, asked and told: proposes trials, learns from results, decides what to prune.

A sweep must be the same whatever ran beside it. So trial n is proposed when a number of trials
that depends on n alone (`SamplerTable.seen_by`) have been told, always in the order of their
numbers; its sampler is seeded by its number; and whether it is pruned is judged against exactly
those trials, not against whatever else happens to have reported by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.proposals.optuna_storage import OptunaStorage
from search.proposals.own import OwnChoice
from search.proposals.population import lineage_of
from search.proposals.pruning import make_jury, quiet
from search.proposals.queue import Queue
from search.proposals.samplers import distributions, make_sampler, sampler_seed
from search.proposals.told import ToldTrial
from search.spec.lineage import Lineage
from search.spec.space import Value, suggest
from search.spec.tables import Spec

# Under this name Optuna has where a point comes from that it did not choose.
_ORIGIN = "origin"


def study_name(spec: Spec, study_id: str) -> str:
    """What Optuna calls a study."""
    return f"{spec.name} {study_id}"


class Proposer:
    """The one place that knows Optuna.

    in_flight: trials under way when the study begins (`SamplerTable.first_in_flight`).
    own: a sampler and a pruner of the user's, instead of those that the spec names.
    say, pause: what tells that a database does not answer, and what waits for it.
    """

    def __init__(
        self,
        spec: Spec,
        folder: Path,
        *,
        study_id: str,
        in_flight: int,
        several_times: bool,
        report_every: int,
        total_steps: int,
        own: OwnChoice | None = None,
        say: Callable[[str], None] = lambda said: None,
        pause: Callable[[float], None] = time.sleep,
    ):
        # Optuna's warnings speak of its own call conventions, which a user of a sweep never sees.
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._spec = spec
        self._several_times = several_times
        self._storage = OptunaStorage(spec, folder, say, pause)
        self._study = optuna.create_study(
            # A database may hold another study of the same name.
            study_name=study_name(spec, study_id),
            storage=self._storage.optuna,
            directions=["minimize"] * len(spec.objective.minimise),
            pruner=optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        if self._study.metric_names is None:
            with quiet():
                self._study.set_metric_names(list(spec.objective.minimise))
        self._own = own or OwnChoice()
        self._jury = make_jury(spec, self._own.pruner, self.seen_by, report_every, total_steps)
        self._in_flight = in_flight
        self._by_generations = spec.sampler.by_generations
        self._queue = Queue()
        self._asked = self._storage.n_trials(self._study)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            # A process was killed between queueing a point and asking for it.
            self._storage.optuna.set_trial_state_values(trial._trial_id, TrialState.RUNNING)

    @property
    def asked(self) -> int:
        """How many trials have been proposed, in this or an earlier run."""
        return self._asked

    @property
    def needed(self) -> int:
        """How many trials, the first ones, must be told before the next is proposed."""
        return self.seen_by(self._asked)

    def seen_by(self, number: int) -> int:
        """How many trials, the first ones, have been told when this one is proposed."""
        # Those that were carried over were told before the first was proposed.
        carried = len(self._queue.carried)
        return carried + self._spec.sampler.seen_by(max(0, number - carried), self._in_flight)

    def take(self, queue: Queue) -> None:
        """Let these points be tried when it is their turn."""
        self._queue = queue

    def told(self) -> list[int]:
        """Numbers of the trials that the sampler has been told, ascending."""
        return self._storage.told(self._study)

    def at_once(self) -> AbstractContextManager[None]:
        """What is asked and told within the block reaches the disk in one piece at its end.

        A trial whose proposal was lost is proposed again, the same.
        """
        return self._storage.at_once()

    def keep_index(self, *, whole: bool = False) -> None:
        """Let the history of a long study open quickly; whole: also the latest trials."""
        if self._storage.journal is not None:
            self._storage.journal.keep_index(whole=whole)

    def told_values(self, number: int) -> tuple[float, ...]:
        """What the sampler was told of a trial; nothing where it was pruned."""
        trial = self._storage.optuna.get_trial(self._id_of(number))
        return tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else ()

    def ask(self) -> tuple[int, dict[str, Value]]:
        """Propose the next trial: its number and a point of the space."""
        self._study.sampler = self._sampler_for(self._asked)
        queued = self._queue.of(self._asked)
        self._asked += 1
        with quiet(), self._storage.at_once():
            if queued is not None:
                self._study.enqueue_trial(
                    dict(queued.parameters), user_attrs={_ORIGIN: queued.origin}
                )
            trial = self._study.ask()
            return trial.number, self._point(trial)

    def ask_again(self, number: int) -> dict[str, Value]:
        """The point of a trial that was proposed before and has not been told."""
        stored = self._storage.optuna.get_trial(self._id_of(number)).params
        try:
            return suggest(self._spec.space, _Stored(stored), several_times=self._several_times)
        except KeyError:
            return self._complete(number, stored)

    def _complete(self, number: int, stored: dict[str, Any]) -> dict[str, Value]:
        """The whole point of the last trial, of which a killed process stored only a part."""
        trial_id = self._id_of(number)
        before: Any = _BeforeProposal(self._storage.optuna, trial_id, set(stored))
        study = optuna.Study(self._study.study_name, before, self._sampler_for(number))
        study.pruner = optuna.pruners.NopPruner()
        with quiet(), self._storage.at_once():
            return self._point(Trial(study, trial_id))

    def lineage(self, number: int) -> Lineage | None:
        """From whose end a trial goes on; None where trials are whole trainings."""
        return lineage_of(self._spec, self._study, number) if self._by_generations else None

    def carry(self, told: ToldTrial, parameters: dict[str, Value], origin: str) -> None:
        """Let the sampler know a finished trial of another study as its next one."""
        space = distributions(self._spec.space, self._several_times)
        searched = {name: value for name, value in parameters.items() if name in space}
        # The pruner that marked it looks at numbers of its own study.
        with quiet(), self._storage.at_once():
            self._study.add_trial(
                create_trial(
                    state=TrialState.PRUNED if told.pruned else TrialState.COMPLETE,
                    params=searched,
                    distributions={name: space[name] for name in searched},
                    values=None if told.pruned else list(told.values),
                    intermediate_values=dict(told.reports),
                    user_attrs={_ORIGIN: origin, **told.shown},
                    system_attrs=_limits_kept(told),
                )
            )
        self._asked += 1
        self.learn(told)

    def _sampler_for(self, number: int) -> BaseSampler:
        if self._own.sampler is not None:
            return self._own.sampler_of(sampler_seed(self._spec, number))
        return make_sampler(self._spec, number, several_times=self._several_times)

    def _id_of(self, number: int) -> int:
        return self._storage.optuna.get_trial_id_from_study_id_trial_number(
            self._study._study_id, number
        )

    def _point(self, trial: Trial) -> dict[str, Value]:
        return suggest(self._spec.space, trial, several_times=self._several_times)

    def tell(self, told: ToldTrial) -> None:
        """Tell the sampler how a trial ended; to be called in the order of numbers, once each."""
        self._study.sampler = self._sampler_for(told.number)
        trial_id = self._id_of(told.number)
        with quiet(), self._storage.at_once():
            for step, value in told.reports:
                self._storage.optuna.set_trial_intermediate_value(trial_id, step, value)
            for key, value in _limits_kept(told).items():
                self._storage.optuna.set_trial_system_attr(trial_id, key, value)
            for key, value in told.shown.items():
                self._storage.optuna.set_trial_user_attr(trial_id, key, value)
            if told.pruned:
                self._study.tell(told.number, state=TrialState.PRUNED)
            else:
                self._study.tell(told.number, list(told.values))
        self.learn(told)

    def learn(self, told: ToldTrial) -> None:
        """Take note of a trial that was told, now or in an earlier run, for later pruning."""
        self._jury.learn(told)

    def prune(self, number: int, step: int, value: float) -> bool:
        """Whether a trial that reports `value` at `step` should end."""
        return self._jury.prune(number, step, value)

    def marks(self, number: int) -> dict[str, Any]:
        """What the pruner has noted on a trial."""
        return self._jury.marks(number)


def _limits_kept(told: ToldTrial) -> dict[str, float]:
    """By how much a trial exceeds each limit, as Optuna notes it; up to 0 where it keeps to it."""
    return {f"{_CONSTRAINTS_KEY}:{name}": value for name, value in told.excess.items()}


class _Stored:
    """Suggests what a trial was given before; KeyError for what it was not."""

    def __init__(self, parameters: dict[str, Any]):
        self._parameters = parameters

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        return self._parameters[name]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        return self._parameters[name]

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._parameters[name]


class _BeforeProposal:
    """A storage as it was before one trial was proposed, for proposing it once more.

    The draws are then the same, and only what is not stored yet is written.
    """

    def __init__(self, storage: BaseStorage, trial_id: int, stored: set[str]):
        self._storage = storage
        self._trial_id = trial_id
        self._stored = stored

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._forget(self._storage.get_trial(trial_id))

    def get_all_trials(self, study_id: int, **options: Any) -> list[FrozenTrial]:
        return [self._forget(t) for t in self._storage.get_all_trials(study_id, **options)]

    def set_trial_param(self, trial_id: int, name: str, *value: Any) -> None:
        if name not in self._stored:
            self._storage.set_trial_param(trial_id, name, *value)

    def _forget(self, trial: FrozenTrial) -> FrozenTrial:
        if trial._trial_id != self._trial_id:
            return trial
        forgotten = copy(trial)
        forgotten.params, forgotten.distributions = {}, {}
        return forgotten
