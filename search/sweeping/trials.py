"""The life of a trial: proposed, running as one training per repeat, then one record.

A trial is *completed*, *pruned* or *diverged*. Diverged is a result like the others: its
error is the finite penalty of the study, so that the sampler learns to stay away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from cellbox.evaluation.report import beside_baselines
from cellbox.settings import SETTING_NAMES, Settings, settings_from_dict
from search.proposals.pruning import Outcome
from search.spec.space import BUDGET_AXES, Value
from search.spec.tables import Prices, Spec
from search.study.data import Budget, StudyData
from search.study.folder import TrialNetworks
from search.workers.job import Finished, Job, Report


@dataclass(frozen=True)
class Plan:
    """What a proposed point means: full settings, and a data budget with its cost."""

    number: int
    parameters: dict[str, Value]
    settings: Settings
    budget: Budget
    cost: float


def make_plan(number: int, parameters: Mapping[str, Value], spec: Spec, data: StudyData) -> Plan:
    """Turn a point of the space into settings and a budget."""
    chosen = {name: value for name, value in parameters.items() if name in SETTING_NAMES}
    settings = settings_from_dict({**spec.training, **chosen})
    searched = {
        axis: int(parameters[f"budget.{axis}"])
        for axis in BUDGET_AXES
        if f"budget.{axis}" in parameters
    }
    budget = replace(data.own, **searched)
    available = len(data.pool_rows[0, budget.perturbed_nodes])
    budget = replace(budget, conditions=min(budget.conditions, available))
    return Plan(
        number=number,
        parameters=dict(parameters),
        settings=settings,
        budget=budget,
        cost=cost_of(budget, spec.objective.prices),
    )


def cost_of(budget: Budget, prices: Prices) -> float:
    """What an experiment of this budget costs (see `Prices`)."""
    return budget.conditions * (
        prices.condition
        + prices.measurement * budget.time_points
        + prices.perturbation * (budget.perturbed_nodes or 0)
    )


def repeat_seed(study_seed: int, repeat: int) -> int:
    """The seed of a repeat's start and minibatches: the same for every trial of a study.

    Trials then differ by their settings and not by their luck.
    """
    return int(np.random.SeedSequence([study_seed, repeat]).generate_state(1)[0])


def make_job(plan: Plan, repeat: int, spec: Spec, data: StudyData) -> Job:
    """One repeat of a trial as a training."""
    rows, times = data.indices(plan.budget, repeat)
    return Job(
        trial=plan.number,
        repeat=repeat,
        seed=repeat_seed(spec.seed, repeat),
        settings=plan.settings,
        rows=rows,
        times=times,
    )


class RunningTrial:
    """A trial on its way: collects what its repeats report until it is decided."""

    def __init__(self, plan: Plan, n_repeats: int):
        self.plan = plan
        self.reports: list[tuple[int, float]] = []
        self.started = time.time()
        self._n_repeats = n_repeats
        self._reported: dict[int, dict[int, float]] = {}
        self._finished: dict[int, Finished] = {}

    def take_report(self, report: Report, penalty: float) -> tuple[int, float] | None:
        """Note a report; the mean over repeats, once all of them have reported at its step.

        penalty: stands for an error that is not a finite number.
        """
        error = report.validation_mae
        at_step = self._reported.setdefault(report.step, {})
        if report.repeat in at_step:
            # Its worker died, and another one trains it again.
            return None
        at_step[report.repeat] = error if np.isfinite(error) else penalty
        if len(at_step) < self._n_repeats:
            return None
        # Summed by repeat, so that the order in which reports come in leaves no trace.
        return report.step, float(np.mean([at_step[repeat] for repeat in sorted(at_step)]))

    def take_finished(self, finished: Finished) -> bool:
        """Note a finished repeat; whether all repeats have now finished."""
        self._finished[finished.repeat] = finished
        return len(self._finished) == self._n_repeats

    @property
    def repeats(self) -> list[Finished]:
        """The finished repeats, in order."""
        return [self._finished[repeat] for repeat in sorted(self._finished)]


def pruned_record(trial: RunningTrial, at_step: int, reason: str) -> dict[str, Any]:
    """The record of a trial that ended early."""
    record = _common(trial.plan)
    repeats = trial.repeats
    return record | {
        "status": "pruned",
        "message": reason,
        "objectives": {},
        "reports": [list(report) for report in trial.reports],
        "pruned_at": at_step,
        "seed": None,
        "shape": repeats[0].shape if repeats else None,
        "seconds": None,
        "compile_seconds": None,
        "started": trial.started,
        "finished": time.time(),
        "repeats": [],
        "best_repeat": None,
        "metrics": {},
        "baselines": None,
        "better_than_ridge": None,
    }


def finished_record(
    trial: RunningTrial, spec: Spec, penalty: float, most_cost: float
) -> tuple[dict[str, Any], TrialNetworks]:
    """The record of a trial that ran to its end, completed or diverged, and its networks."""
    repeats = trial.repeats
    entries = [repeat.repeat_record for repeat in repeats]
    diverged = [entry for entry in entries if entry["status"] == "diverged"]
    validation_mae = float(np.mean([error_of(repeat, penalty) for repeat in repeats]))
    selection_error = float(
        np.mean([error_of(repeat, penalty, "selection_error") for repeat in repeats])
    )
    chosen_by = (
        "selection_error" if "selection_error" in objective_names(spec) else "validation_mae"
    )
    best = int(np.argmin([error_of(repeat, penalty, chosen_by) for repeat in repeats]))
    metrics = _mean_of([entry["metrics"] for entry in entries])
    metrics["validation_mae"] = validation_mae
    metrics["selection_error"] = selection_error
    baselines = _mean_of([repeat.baselines for repeat in repeats])
    compared = beside_baselines(metrics, baselines)
    record = _common(trial.plan) | {
        "status": "diverged" if diverged else "completed",
        "message": diverged[0]["message"] if diverged else _message(entries[best]),
        "objectives": objectives_of(
            spec, validation_mae, selection_error, trial.plan.cost, most_cost
        ),
        "reports": [list(report) for report in trial.reports],
        "pruned_at": None,
        "seed": entries[best]["seed"],
        "shape": repeats[0].shape,
        "seconds": sum(repeat.seconds for repeat in repeats),
        "compile_seconds": sum(repeat.compile_seconds for repeat in repeats),
        "started": min(repeat.started for repeat in repeats),
        "finished": time.time(),
        "repeats": entries,
        "best_repeat": best,
        "metrics": compared,
        "baselines": compared.pop("baselines"),
        "better_than_ridge": compared.pop("better_than_ridge"),
    }
    networks = TrialNetworks(
        np.stack([repeat.weights for repeat in repeats]),
        np.stack([repeat.amplitudes for repeat in repeats]),
    )
    return record, networks


def _message(entry: Mapping[str, Any]) -> str:
    """How a repeat's training went, refinement included."""
    return f"{entry['message']} {entry['refinement']}"


def error_of(finished: Finished, penalty: float, name: str = "validation_mae") -> float:
    """The error of that name that a repeat counts with: the penalty where it diverged."""
    error = finished.repeat_record[name]
    diverged = finished.repeat_record["status"] == "diverged"
    return penalty if diverged or error is None else error


def objective_names(spec: Spec) -> list[str]:
    """The names of what is minimised."""
    return list(objectives_of(spec, 1.0, 1.0, 1.0, 1.0))


def objectives_of(
    spec: Spec, validation_mae: float, selection_error: float, cost: float, most_cost: float
) -> dict[str, float]:
    """What the sampler minimises, by name."""
    target = spec.objective.error_target
    if target is not None:
        # A budget that misses the target is worse than every one that meets it, and the more
        # it misses the worse.
        met = validation_mae <= target
        return {"cost_at_target": cost if met else most_cost * (1 + validation_mae / target)}
    known = {"validation_mae": validation_mae, "selection_error": selection_error, "cost": cost}
    return {name: known[name] for name in spec.objective.minimise}


def outcome_of(record: Mapping[str, Any]) -> Outcome:
    """What the sampler is told of a record."""
    return Outcome(
        number=record["number"],
        pruned=record["status"] == "pruned",
        values=tuple(record["objectives"].values()),
        reports=tuple((int(step), float(value)) for step, value in record["reports"]),
        marks=record["marks"],
    )


def _common(plan: Plan) -> dict[str, Any]:
    return {
        "number": plan.number,
        "parameters": plan.parameters,
        "settings": asdict(plan.settings),
        "budget": plan.budget.as_dict(),
        "cost": plan.cost,
    }


def _mean_of(entries: list[Any]) -> Any:
    """The mean of equal nested dictionaries of numbers, None wherever one has None."""
    first = entries[0]
    if isinstance(first, Mapping):
        return {
            key: _mean_of([None if entry is None else entry[key] for entry in entries])
            for key in first
        }
    if any(entry is None or isinstance(entry, bool) for entry in entries):
        return None
    return float(np.mean(entries))
