"""Optuna's samplers, as a sweep needs them: each choice follows from a trial's number alone."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.proposals.population import PopulationSampler
from search.proposals.pruning import quiet
from search.proposals.seen import abridged
from search.spec.space import NEEDS_SEVERAL_TIMES, Choice, Range, Space, is_whole
from search.spec.tables import Spec


def make_sampler(spec: Spec, number: int, *, several_times: bool = True) -> BaseSampler:
    """The sampler for one trial; seeded by its number, so that a restart changes nothing."""
    seed = sampler_seed(spec, number)
    startup_trials = spec.sampler.startup_trials
    samplers = optuna.samplers
    with quiet():
        match spec.sampler.name:
            case "random":
                return samplers.RandomSampler(seed=seed)
            case "grid":
                return _AskedGrid(spec.space.grid(several_times=several_times), seed=spec.seed)
            case "qmc":
                return _NumberedQMC(spec.seed, number, distributions(spec.space, several_times))
            case "nsga2":
                return _OrderedNSGA2(seed=seed, population_size=max(4, spec.sampler.most_in_flight))
            case "pbt":
                return PopulationSampler(spec)
            case "gp":
                return samplers.GPSampler(seed=seed, n_startup_trials=startup_trials)
            case "cmaes":
                return samplers.CmaEsSampler(
                    seed=seed, n_startup_trials=startup_trials, warn_independent_sampling=False
                )
            case _:
                return _GlancingTPE(
                    seed=seed,
                    n_startup_trials=startup_trials,
                    multivariate=True,
                    group=True,
                    constant_liar=True,
                )


def sampler_seed(spec: Spec, number: int) -> int:
    """The seed of the sampler of one trial."""
    return (spec.seed * 1_000_003 + number) % 2**32


class _GlancingTPE(optuna.samplers.TPESampler):
    """Optuna's TPE, which of a long study sees the best trials and the latest."""

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return super().infer_relative_search_space(_glance(study, of_each_space=True), trial)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return super().sample_relative(_glance(study), trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return super().sample_independent(_glance(study), trial, param_name, param_distribution)


def _glance(study: optuna.Study, *, of_each_space: bool = False) -> Any:
    # With several objectives there is no number of best trials that is enough.
    return study if len(study.directions) > 1 else _Glance(study, of_each_space)


class _Glance:
    """A study as it looks to one who reads only the best trials and the latest.

    of_each_space: of those that have the same dimensions, only the first: the search space that
    Optuna puts together is the same, and this takes an eighth of a proposal's time otherwise.
    """

    def __init__(self, study: optuna.Study, of_each_space: bool):
        self._study = study
        self._of_each_space = of_each_space
        self._seen = getattr(study._storage, "seen", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        found = None
        if self._seen is not None and states is not None and not deepcopy:
            found = self._seen(states)
        if found is None:
            found = abridged(self._study._get_trials(deepcopy, states, use_cache))
        if not self._of_each_space:
            return found
        first: dict[frozenset[str], FrozenTrial] = {}
        for trial in found:
            first.setdefault(frozenset(trial.distributions), trial)
        return list(first.values())

    def get_trials(self, *arguments: Any, **options: Any) -> list[FrozenTrial]:
        return abridged(self._study.get_trials(*arguments, **options))


class _NumberedQMC(optuna.samplers.QMCSampler):
    """Optuna's QMC over the whole space, where a trial's number is its place in the sequence.

    Optuna counts calls, and takes the first trial's dimensions for all there are: a restart
    would skip places, and dimensions that the first trial did without would be drawn at random.
    """

    def __init__(self, seed: int, number: int, space: dict[str, BaseDistribution]):
        super().__init__(seed=seed, scramble=True, warn_independent_sampling=False)
        self._number = number
        self._space = space

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._space

    def _find_sample_id(
        self, study: optuna.Study, search_space: dict[str, BaseDistribution]
    ) -> int:
        return self._number


def distributions(space: Space, several_times: bool) -> dict[str, BaseDistribution]:
    """Every dimension that some trial may be asked for, as Optuna describes it."""
    found: dict[str, BaseDistribution] = {}
    for name, dimension in space.dimensions():
        if name in NEEDS_SEVERAL_TIMES and not several_times:
            continue
        match dimension:
            case Choice(values=values):
                found[name] = CategoricalDistribution(values)
            case Range(low=low, high=high, log=log) if is_whole(name):
                found[name] = IntDistribution(int(low), int(high), log=log)
            case Range(low=low, high=high, log=log):
                found[name] = FloatDistribution(float(low), float(high), log=log)
    return found


class _OrderedNSGA2(optuna.samplers.NSGAIISampler):
    """Optuna's NSGA-II with parents by number, which is how a restart finds them."""

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        parents = super().get_parent_population(study, generation)
        return sorted(parents, key=lambda trial: trial.number)


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
