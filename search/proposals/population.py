"""Population-based training: each trial is a part of a training, and goes on from another's end.

Trials come in generations, and all of one have been told before the next is proposed, so that the
same seed gives the same study whatever ran beside it. A member goes on from its own end; one of the
worst quarter, or one that diverged, takes the place of one of the best, whose settings it changes a
little (truncation selection as in Jaderberg et al. 2017, arXiv 1711.09846, by generations).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search.spec.lineage import Lineage
from search.spec.space import Value
from search.spec.tables import Spec

# Settings that a descent can change on its way, and by how much.
_CHANGED = ("peak_rate", "final_share", "weight_decay", "l1")
_FACTORS = (0.8, 1.25)
_SHARE = 4


@dataclass(frozen=True)
class _Line:
    """From whom a member goes on; cloned: as a copy, with other settings."""

    lineage: Lineage
    cloned: bool


def lineage_of(spec: Spec, study: optuna.Study, number: int) -> Lineage:
    """The generation of a trial, and from whose end it goes on, by what has been told."""
    return _line(spec, study.get_trials(deepcopy=False), number).lineage


def _line(spec: Spec, trials: list[FrozenTrial], number: int) -> _Line:
    population = spec.sampler.members
    generation = number // population
    if generation == 0:
        return _Line(Lineage(0, None), cloned=False)
    before = trials[(generation - 1) * population : generation * population]
    ranked = [trial.number for trial in sorted(filter(_lives, before), key=_rank)]
    n_changed = max(1, population // _SHARE)
    own = number - population
    if own in ranked[: population - n_changed]:
        return _Line(Lineage(generation, own), cloned=False)
    if not ranked:
        # All have diverged: it begins anew.
        return _Line(Lineage(generation, None), cloned=False)
    chosen = np.random.default_rng([spec.seed, number]).integers(min(n_changed, len(ranked)))
    return _Line(Lineage(generation, ranked[int(chosen)]), cloned=True)


def _lives(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and trial.user_attrs.get("status") == "completed"


def _rank(trial: FrozenTrial) -> tuple[float, int]:
    return trial.values[0], trial.number


class PopulationSampler(BaseSampler):
    """Draws the first generation at random, and gives each later trial its parent's settings."""

    def __init__(self, spec: Spec):
        self._spec = spec

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """None: each setting is chosen by itself."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Value:
        """A setting, which follows from the trial's number, its name and what has been told."""
        trials = study.get_trials(deepcopy=False)
        line = _line(self._spec, trials, trial.number)
        # Of its own for each setting, so that a proposal that was cut short is completed the same.
        seed = [self._spec.seed, trial.number, zlib.crc32(param_name.encode())]
        random = np.random.default_rng(seed)
        parent = line.lineage.parent
        if parent is None or param_name not in trials[parent].params:
            sampler = optuna.samplers.RandomSampler(seed=int(random.integers(2**32)))
            return sampler.sample_independent(study, trial, param_name, param_distribution)
        value = trials[parent].params[param_name]
        if not line.cloned or param_name not in _CHANGED:
            return value
        return _changed(value, param_distribution, random)


def _changed(value: Value, distribution: BaseDistribution, random: np.random.Generator) -> Value:
    """A number a fifth smaller or a quarter larger, within its range; anything else as it is."""
    if not isinstance(distribution, FloatDistribution):
        return value
    factor = _FACTORS[int(random.integers(len(_FACTORS)))]
    return float(np.clip(float(value) * factor, distribution.low, distribution.high))
