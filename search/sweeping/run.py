"""The sweep: the one place that brings sampler, workers, records and MLflow together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellbox.data.dataset import validation_rows
from cellbox.data.readers import write_tidy
from cellbox.equation.gradient_check import check_gradient
from cellbox.equation.steady_state import check_times
from cellbox.errors import InputError, Problem, refuse
from cellbox.evaluation.report import evaluate_baselines
from cellbox.settings import Settings, settings_from_dict
from cellbox.training.pack import shape_of
from search.console.interrupts import uninterrupted
from search.proposals.proposer import Advisor
from search.proposals.pruning import report_interval
from search.spec.rules import rule_problems
from search.spec.tables import Spec
from search.study.access import alone_with
from search.study.data import Budget, StudyData, load_study_data
from search.study.folder import StudyFolder, TrialNetworks
from search.study.identifiability import save_identifiability
from search.study.result import SweepResult, TrialCounts, best_numbers, save_best_models
from search.sweeping.display import Display, SweepState, make_display
from search.sweeping.trials import (
    RunningTrial,
    cost_of,
    error_of,
    finished_record,
    make_job,
    make_plan,
    objective_names,
    outcome_of,
    pruned_record,
)
from search.tracking.credentials import without_credentials_inside
from search.workers.executor import Executor
from search.workers.job import Event, Finished, Report
from search.workers.plan import DevicePlan
from search.workers.start import Workers, started_workers

if TYPE_CHECKING:
    from search.tracking.background import BackgroundTracking


def sweep(
    spec: Spec,
    *,
    study: str | Path | None = None,
    trials: int | None = None,
    display: Display | None = None,
) -> SweepResult:
    """Run a sweep, or go on with one that was started in the same folder.

    study: the study's folder; by default studies/<name>. trials: how many the study has in
    all, instead of the spec's. display: what shows progress; by default the terminal.

    The same spec and seed in a new folder give the same study, whatever the number of workers.
    Raises InputError for a spec that cannot be run, or that differs from the study's. After
    Ctrl-C everything finished is kept, and Interrupted is raised.

    Example:
        >>> import search
        >>> spec = search.make_spec({
        ...     "name": "tiny",
        ...     "trials": 2,
        ...     "data": {"system": "CY", "conditions": 6, "time_points": 2, "held_out": 2},
        ...     "training": {"steps": 50, "refinement": "none"},
        ...     "workers": {"executor": "inline", "lanes": 2},
        ...     "tracking": {"enabled": False},
        ... })
        >>> result = search.sweep(spec, study="tiny")
        >>> result.counts.finished, result.best.network.n_nodes
        (2, 6)
    """
    problems = rule_problems(spec, "spec")
    if trials is not None:
        if trials < 1:
            problems.append(
                Problem("trials", f"expected at least 1, found {trials}", "Ask for more")
            )
        spec = spec.model_copy(update={"trials": trials})
    if problems:
        raise InputError(problems)
    folder = StudyFolder(Path(study) if study is not None else Path("studies") / spec.name)
    try:
        with (
            alone_with(folder, spec),
            display or make_display() as shown,
            _prepared_tracking(spec, folder) as tracking,
            started_workers(spec.workers) as workers,
        ):
            running = _Sweep(spec, folder, workers, shown)
            with _tracked(tracking, folder, shown, running.data):
                running.run(tracking)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(folder) from interrupt
    return SweepResult(folder)


class Interrupted(Exception):
    """The user stopped a sweep; everything finished is kept in `folder`."""

    def __init__(self, folder: StudyFolder):
        self.folder = folder
        super().__init__(f"stopped; {folder.path} keeps everything that was finished")


@contextmanager
def _prepared_tracking(spec: Spec, folder: StudyFolder) -> Iterator[BackgroundTracking | None]:
    """What will write MLflow, already on its way: it takes seconds to import, as workers do."""
    if not spec.tracking.enabled:
        yield None
        return
    from search.tracking.background import BackgroundTracking

    tracking = BackgroundTracking(folder, spec.tracking.uri)
    tracking.prepare()
    try:
        yield tracking
    finally:
        tracking.close()


@contextmanager
def _tracked(
    tracking: BackgroundTracking | None, folder: StudyFolder, display: Display, data: StudyData
) -> Iterator[None]:
    """MLflow beside the block; at its end, however it ends, models and pictures of the best."""
    if tracking is not None:
        tracking.start()
    try:
        yield
    finally:
        if tracking is not None:
            display.say("writing the best models and MLflow's pages")
        best = best_numbers(folder)
        save_best_models(folder, best)
        save_identifiability(folder, best, data)
        unwritten = tracking.finish(best) if tracking is not None else None
        if unwritten:
            display.say(unwritten)


# Rises when trials are trained in another way, so that no study mixes the two.
_FORMAT = 2

_SHOW_EVERY = 0.2  # seconds


class _Sweep:
    """One run of the loop over a study.

    data: what its trials train on and are judged by.
    """

    def __init__(self, spec: Spec, folder: StudyFolder, workers: Workers, display: Display):
        self._spec = spec
        self._folder = folder
        self._display = display
        self._trials: dict[int, RunningTrial] = {}
        self._shown = 0.0
        display.say("preparing the data while the workers start")
        settings = settings_from_dict(spec.training)
        self.data = load_study_data(spec)
        check_times(settings.solver, self.data.times)
        plans = self._begin_plans(workers, settings)
        check_gradient(settings.solver, self.data.evaluation.times, self.data.evaluation.n_nodes)
        self._report_every = report_interval(
            spec.pruner, settings.total_steps, settings.validate_every
        )
        self._penalty = _penalty(self.data)
        self._most_cost = _most_cost(spec, self.data)
        # First of all, since a folder with files but without a spec is taken for someone else's.
        study_id = self._write_study()
        several_times = len(self.data.times) > 1
        self._total = spec.trials
        if spec.sampler.name == "grid":
            self._total = min(spec.trials, spec.space.grid_size(several_times=several_times))
        with uninterrupted():
            self._advisor = Advisor(
                spec,
                folder.path,
                study_id=study_id,
                several_times=several_times,
                report_every=self._report_every,
                total_steps=settings.total_steps,
            )
        self._told = self._learn_what_was_told()
        self._counts = TrialCounts.of(folder)
        self._executor = self._take_workers(workers, plans())

    def run(self, tracking: BackgroundTracking | None) -> None:
        """Start or go on, until the study has all its trials."""
        for number in range(self._told, self._advisor.asked):
            self._start(number, self._advisor.ask_again(number))
        while True:
            with uninterrupted():
                self._tell_and_ask()
            over = self._told >= self._total
            self._show(tracking, now=over)
            if over:
                return
            for event in self._executor.poll():
                with uninterrupted():
                    ended = self._take(event)
                if ended and tracking is not None:
                    tracking.notify()
            while self._executor.notices:
                self._display.say(self._executor.notices.pop(0))

    def _show(self, tracking: BackgroundTracking | None, *, now: bool) -> None:
        # Workers answer many times a second, and people do not look that often.
        if now or time.monotonic() - self._shown > _SHOW_EVERY:
            self._shown = time.monotonic()
            self._display.show(self._state(tracking))

    def _write_study(self) -> str:
        """Write what the study is, unless that is there; returns its identifier."""
        folder, spec, data = self._folder, self._spec, self.data
        folder.write_json("spec.json", without_credentials_inside(spec.model_dump(mode="json")))
        if folder.has("study.json"):
            study = folder.read_json("study.json")
            if study["format"] != _FORMAT:
                raise refuse(
                    str(folder.path),
                    "the study was started by a version of this program that trains in another way",
                    "Go on with that version, or begin a new study",
                )
            if study["data"] != data.fingerprint():
                raise refuse(
                    str(folder.path),
                    "the data are not those the study was started with",
                    "Choose another folder with --study, or bring the earlier data back",
                )
            return study["id"]
        whole = data.training_set(*data.indices(data.own, repeat=0))
        assert whole.split is not None
        write_tidy(whole, folder.data, overwrite=True)
        study_id = uuid.uuid4().hex
        folder.write_json(
            "study.json",
            {
                "format": _FORMAT,
                "id": study_id,
                "data": data.fingerprint(),
                "created": time.time(),
                "nodes": list(whole.nodes),
                "objectives": objective_names(spec),
                "own_budget": data.own.as_dict(),
                "truth": whole.truth is not None,
                "penalty": self._penalty,
                "baselines": evaluate_baselines(whole, whole.split),
            },
        )
        return study_id

    def _begin_plans(
        self, workers: Workers, settings: Settings
    ) -> Callable[[], dict[str, DevicePlan]]:
        """Let each kind of worker say how it trains; what an earlier run measured holds."""
        rows, times = self.data.indices(self.data.own, repeat=0)
        return workers.begin_plans(
            self._known_plans(),
            shape_of(settings, len(rows), len(times)),
            self.data.evaluation.n_nodes,
            self._spec.most_trainings_at_once,
        )

    def _known_plans(self) -> dict[str, DevicePlan]:
        folder = self._folder
        recorded = folder.read_json("devices.json") if folder.has("devices.json") else []
        return {plan["kind"]: DevicePlan(**plan) for plan in recorded}

    def _take_workers(self, workers: Workers, plans: dict[str, DevicePlan]) -> Executor:
        # What was asked for once holds once; what was measured is kept.
        measured = {kind: plan for kind, plan in plans.items() if plan.gradients_per_second}
        kept = self._known_plans() | measured
        self._folder.write_json("devices.json", [plan.as_dict() for plan in kept.values()])
        for kind, plan in plans.items():
            self._display.say(f"{plan.sentence}{f' on {kind}' if len(plans) > 1 else ''}")
        executor = workers.take(self.data, plans)
        lanes, most = sum(executor.lanes), self._spec.most_trainings_at_once
        if lanes > most:
            self._display.say(
                f"the workers could train {lanes} models at once, and at most {most} are under "
                f"way: in_flight = {lanes} in [sampler] or fewer --lanes would use them better"
            )
        return executor

    def _learn_what_was_told(self) -> int:
        """Remember earlier runs; returns how many trials the sampler knows."""
        told = self._advisor.told()
        lost = [number for number in told if not self._folder.finished(number)]
        if lost:
            raise refuse(
                f"{self._folder.path}, trials",
                f"the sampler has learned from trials whose records are gone: {lost}",
                "Put their folders back, or begin a new study",
            )
        for number in told:
            self._advisor.learn(outcome_of(self._folder.record(number)))
        return len(told)

    def _tell_and_ask(self) -> None:
        """Tell what is finished in the order of numbers; ask for one more after each."""
        while True:
            asked = self._advisor.asked
            if asked < self._total and self._told >= self._spec.sampler.seen_by(asked):
                self._start(*self._advisor.ask())
            elif self._told < self._advisor.asked and self._folder.finished(self._told):
                self._advisor.tell(outcome_of(self._folder.record(self._told)))
                self._told += 1
            else:
                return

    def _start(self, number: int, parameters: dict[str, Any]) -> None:
        if self._folder.finished(number):
            if self._folder.record(number)["parameters"] != parameters:
                raise refuse(
                    f"{self._folder.path}, trial {number}",
                    "the sampler's history is gone or another one, and it now proposes something "
                    "else",
                    "Give the storage the study was started with, or begin a new study",
                )
            return
        plan = make_plan(number, parameters, self._spec, self.data)
        self._trials[number] = RunningTrial(plan, self._spec.repeats)
        for repeat in range(self._spec.repeats_at_once):
            self._submit(number, repeat)

    def _submit(self, number: int, repeat: int) -> None:
        self._executor.submit(make_job(self._trials[number].plan, repeat, self._spec, self.data))

    def _take(self, event: Event) -> bool:
        """Handle what a worker says; whether a trial ended with it."""
        trial = self._trials.get(event.trial)
        if trial is None:
            return False
        if isinstance(event, Report):
            return self._take_report(trial, event)
        return self._take_finished(trial, event)

    def _take_report(self, trial: RunningTrial, report: Report) -> bool:
        if self._spec.pruner.name in ("none", "wilcoxon") or report.step % self._report_every:
            return False
        joint = trial.take_report(report, self._penalty)
        return joint is not None and self._judge(trial, *joint, unit="step")

    def _take_finished(self, trial: RunningTrial, finished: Finished) -> bool:
        done = trial.take_finished(finished)
        number = trial.plan.number
        if self._spec.pruner.name == "wilcoxon":
            report = (finished.repeat, error_of(finished, self._penalty))
            if done:
                trial.reports.append(report)
            elif self._judge(trial, *report, unit="repeat"):
                return True
            else:
                self._submit(number, finished.repeat + 1)
        if done:
            record, networks = finished_record(trial, self._spec, self._penalty, self._most_cost)
            record["marks"] = self._advisor.marks(number)
            self._end(record, networks)
        return done

    def _judge(self, trial: RunningTrial, step: int, value: float, *, unit: str) -> bool:
        """Let the pruner decide; a pruned trial ends here, whatever its workers still do."""
        number = trial.plan.number
        trial.reports.append((step, value))
        if not self._advisor.prune(number, step, value):
            return False
        reason = (
            f"Pruned by {self._spec.pruner.name} at {unit} {step}: a validation MAE of "
            f"{value:.4g} is too far behind earlier trials."
        )
        self._executor.cancel(number)
        record = pruned_record(trial, step, reason)
        record["marks"] = self._advisor.marks(number)
        self._end(record, None)
        return True

    def _end(self, record: dict[str, Any], networks: TrialNetworks | None) -> None:
        self._folder.write_trial(record, networks)
        self._counts.add(record)
        del self._trials[record["number"]]

    def _state(self, tracking: BackgroundTracking | None) -> SweepState:
        return SweepState(
            total=self._total,
            counts=self._counts,
            running=self._executor.n_running,
            workers=self._executor.n_workers,
            programs=self._executor.programs,
            compile_seconds=self._executor.compile_seconds,
            training_share=self._executor.training_share,
            tracking=None if tracking is None else tracking.status,
        )


def _penalty(data: StudyData) -> float:
    """The error a diverged trial is given: twice that of predicting no response at all."""
    held_out = data.evaluation
    assert held_out.split is not None
    rows = validation_rows(held_out, held_out.split)
    measured = held_out.measurements[rows][..., held_out.measured_nodes]
    return float(2 * np.nanmean(np.abs(measured)))


def _most_cost(spec: Spec, data: StudyData) -> float:
    """The cost of the largest budget that the study's data allow."""
    budgets = (
        Budget(len(conditions), n_perturbed, n_times)
        for (_, n_perturbed), conditions in data.pool_rows.items()
        for n_times in data.pool_times
    )
    return max(cost_of(budget, spec.objective.prices) for budget in budgets)
