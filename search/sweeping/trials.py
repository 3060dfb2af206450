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

from cellbox.evaluation.verdict import beside_baselines
from cellbox.models.training_record import Training
from cellbox.settings import SETTING_NAMES, Settings, settings_from_dict
from search.proposals.told import ToldTrial
from search.spec.lineage import Lineage
from search.spec.space import BUDGET_AXES, Value
from search.spec.tables import Spec
from search.study.budget import Budget
from search.study.data import StudyData
from search.study.folder import StudyFolder, TrialNetworks
from search.study.record import RepeatRecord, TrialRecord
from search.study.summary_lines import TrialSummary
from search.sweeping.terms import StudyTerms, cost_of
from search.workers.job import Finished, Job, Report


@dataclass(frozen=True)
class Plan:
    """What a proposed point means: full settings, and a data budget with its cost.

    origin: where the point comes from; None where the sampler chose it. lineage: from whose end it
    goes on; None where it is a whole training.
    """

    number: int
    parameters: dict[str, Value]
    settings: Settings
    budget: Budget
    cost: float
    origin: str | None = None
    lineage: Lineage | None = None


def make_plan(
    number: int,
    parameters: Mapping[str, Value],
    spec: Spec,
    data: StudyData,
    origin: str | None = None,
    lineage: Lineage | None = None,
) -> Plan:
    """Turn a point of the space into settings and a budget. origin, lineage: as `Plan` has them."""
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
        origin=origin,
        lineage=lineage,
    )


def repeat_seed(study_seed: int, repeat: int) -> int:
    """The seed of a repeat's start and minibatches: the same for every trial of a study.

    Trials then differ by their settings and not by their luck.
    """
    return int(np.random.SeedSequence([study_seed, repeat]).generate_state(1)[0])


def make_job(
    plan: Plan, repeat: int, spec: Spec, data: StudyData, begins: bytes | None = None
) -> Job:
    """One repeat of a trial as a training. begins: the end of the trial that it goes on from."""
    rows, times = data.indices(plan.budget, repeat)
    until = None
    if plan.lineage is not None:
        settings = plan.settings
        until = spec.sampler.last_step(
            plan.lineage.generation, settings.total_steps, settings.validate_every
        )
    return Job(
        trial=plan.number,
        repeat=repeat,
        seed=repeat_seed(spec.seed, repeat),
        settings=plan.settings,
        rows=rows,
        times=times,
        until=until,
        begins=begins,
    )


def state_of_parent(plan: Plan, folder: StudyFolder) -> bytes | None:
    """Where the trial stopped that this one goes on from; None where it begins anew."""
    parent = None if plan.lineage is None else plan.lineage.parent
    return None if parent is None else folder.state(parent)


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


def pruned_record(
    trial: RunningTrial,
    at_step: int,
    reason: str,
    marks: dict[str, Any],
    shape: dict[str, Any] | None = None,
) -> TrialRecord:
    """The record of a trial that ended early; marks: what the pruner noted on it.

    shape: of its repeats, where these ended one by one. Of repeats that were trained together it
    hangs on the workers which have ended, and a record may not.
    """
    return _record(
        trial,
        status="pruned",
        message=reason,
        objectives={},
        pruned_at=at_step,
        seed=None,
        shape=shape,
        seconds=None,
        compile_seconds=None,
        started=trial.started,
        repeats=(),
        best_repeat=None,
        metrics={},
        baselines=None,
        better_than_ridge=None,
        marks=marks,
    )


def finished_record(
    trial: RunningTrial, spec: Spec, terms: StudyTerms, marks: dict[str, Any]
) -> tuple[TrialRecord, TrialNetworks]:
    """The record of a trial that ran to its end, completed or diverged, and its networks.

    marks: what the pruner noted on it.
    """
    repeats = trial.repeats
    seconds = sum(one.record.training.seconds for one in repeats)
    compile_seconds = sum(one.record.training.compile_seconds for one in repeats)
    records = tuple(_with_times(one.record, seconds, compile_seconds) for one in repeats)
    diverged = [record.training for record in records if record.diverged]
    errors = {
        name: [error_of(one, terms.penalty, name) for one in repeats]
        for name in ("validation_mae", "selection_error")
    }
    means = {name: float(np.mean(of_name)) for name, of_name in errors.items()}
    chosen_by = (
        "selection_error" if "selection_error" in objective_names(spec) else "validation_mae"
    )
    best = int(np.argmin(errors[chosen_by]))
    metrics = _mean_of([record.metrics for record in records]) | means
    compared = beside_baselines(metrics, _mean_of([one.baselines for one in repeats]))
    # It follows from the rest, see `TrialRecord.better_than`.
    del compared["better_than"]
    record = _record(
        trial,
        status="diverged" if diverged else "completed",
        message=diverged[0].message if diverged else _message(records[best].training),
        objectives=objectives_of(spec, **means, cost=trial.plan.cost, most_cost=terms.most_cost),
        pruned_at=None,
        seed=records[best].seed,
        shape=repeats[0].shape,
        seconds=seconds,
        compile_seconds=compile_seconds,
        started=min(one.started for one in repeats),
        repeats=records,
        best_repeat=best,
        baselines=compared.pop("baselines"),
        better_than_ridge=compared.pop("better_than_ridge"),
        metrics=compared,
        marks=marks,
        excess=_excess(spec, trial.plan, repeats[best].weights),
    )
    networks = TrialNetworks(
        np.stack([one.weights for one in repeats]),
        np.stack([one.amplitudes for one in repeats]),
        repeats[best].state,
    )
    return record, networks


def _excess(spec: Spec, plan: Plan, weights: np.ndarray) -> dict[str, float]:
    """By how much a trial exceeds each constraint; up to 0 where it keeps to it."""
    limits = spec.constraints
    found = {"edges": float(np.count_nonzero(weights)), "cost": plan.cost}
    return {
        name: found[name] - limit for name in found if (limit := getattr(limits, name)) is not None
    }


def _record(trial: RunningTrial, **ending: Any) -> TrialRecord:
    """A record of what was planned and reported, and of how the trial ended, which is now."""
    plan = trial.plan
    return TrialRecord(
        number=plan.number,
        parameters=plan.parameters,
        settings=asdict(plan.settings),
        budget=plan.budget,
        cost=plan.cost,
        reports=tuple(trial.reports),
        origin=plan.origin,
        lineage=plan.lineage,
        finished=time.time(),
        **ending,
    )


def _with_times(record: RepeatRecord, seconds: float, compile_seconds: float) -> RepeatRecord:
    """The record as it will be read: with the times of all repeats together."""
    training = replace(record.training, seconds=seconds, compile_seconds=compile_seconds)
    return replace(record, training=training)


def _message(training: Training) -> str:
    """How a repeat's training went, refinement included."""
    return f"{training.message} {training.refinement}"


def error_of(finished: Finished, penalty: float, name: str = "validation_mae") -> float:
    """The error of that name that a repeat counts with: the penalty where it diverged."""
    error = getattr(finished.record.training, name)
    return penalty if finished.record.diverged or error is None else error


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


def told_trial(record: TrialRecord | TrialSummary) -> ToldTrial:
    """What the sampler is told of a record."""
    return ToldTrial(
        number=record.number,
        pruned=record.pruned,
        values=tuple(record.objectives.values()),
        reports=record.reports,
        marks=record.marks,
        excess=record.excess,
        shown={
            "status": record.status,
            "test_mae": record.metrics.get("test_mae"),
            "mlflow_run": f"trial {record.number}",
            **_lineage_shown(record),
        },
    )


def _lineage_shown(record: TrialRecord | TrialSummary) -> dict[str, Any]:
    lineage = getattr(record, "lineage", None)
    return {} if lineage is None else {"generation": lineage.generation, "parent": lineage.parent}


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
