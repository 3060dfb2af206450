"""What holds for every trial of a study, and follows from its spec and data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellbox.settings import Settings
from search.proposals.pruning import report_interval
from search.spec.tables import PricesTable, Spec
from search.study.budget import Budget
from search.study.data import StudyData


@dataclass(frozen=True)
class StudyTerms:
    """By what trials are judged, and how many there are.

    n_trials: how many the study has in all. report_every: steps between reports to the pruner.
    penalty: the error that a diverged trial counts with (log ratio).
    most_cost: the cost of the largest budget that the study's data allow.
    """

    n_trials: int
    report_every: int
    penalty: float
    most_cost: float


def terms_of(spec: Spec, settings: Settings, data: StudyData) -> StudyTerms:
    """The terms of a study."""
    n_trials = spec.trials
    if spec.sampler.name == "grid":
        n_trials = min(n_trials, spec.space.grid_size(several_times=data.several_times))
    if spec.sampler.by_generations:
        n_trials = min(n_trials, spec.sampler.members * spec.sampler.n_generations)
    return StudyTerms(
        n_trials=n_trials,
        report_every=report_interval(spec.pruner, settings.total_steps, settings.validate_every),
        penalty=penalty_of(data),
        most_cost=_most_cost(spec, data),
    )


def cost_of(budget: Budget, prices: PricesTable) -> float:
    """What an experiment of this budget costs (see `PricesTable`)."""
    return budget.conditions * (
        prices.condition
        + prices.measurement * budget.time_points
        + prices.perturbation * (budget.perturbed_nodes or 0)
    )


def penalty_of(data: StudyData) -> float:
    """The error a diverged trial is given: twice that of predicting no response at all."""
    validation = data.validation
    measured = validation.measurements[..., validation.measured_nodes]
    return float(2 * np.nanmean(np.abs(measured)))


def _most_cost(spec: Spec, data: StudyData) -> float:
    """The cost of the largest budget that the study's data allow."""
    budgets = (
        Budget(len(conditions), n_perturbed, n_times)
        for (_, n_perturbed), conditions in data.pool_rows.items()
        for n_times in data.pool_times
    )
    return max(cost_of(budget, spec.objective.prices) for budget in budgets)
