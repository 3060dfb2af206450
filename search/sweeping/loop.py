"""The loop of a sweep: asks for trials, trains them, lets the pruner judge, tells what came out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cellbox.errors import refuse
from search.console.interrupts import uninterrupted
from search.proposals.proposer import Proposer
from search.spec.tables import Spec
from search.study.data import StudyData
from search.study.folder import StudyFolder, TrialNetworks
from search.study.record import TrialRecord
from search.study.result import BestTrials, TrialCounts
from search.study.ties import TieWatch
from search.sweeping.display import Display, SweepState
from search.sweeping.repeated import RepeatedPoints, repeated_record
from search.sweeping.terms import StudyTerms
from search.sweeping.trials import (
    Plan,
    RunningTrial,
    error_of,
    finished_record,
    make_job,
    make_plan,
    pruned_record,
    told_trial,
)
from search.workers.executor import Executor
from search.workers.job import Event, Finished, Report

if TYPE_CHECKING:
    from search.sweeping.keeping import ModelKeeper
    from search.tracking.background import BackgroundTracking

_SHOW_EVERY = 0.2  # seconds


class SweepLoop:
    """One run of the loop over a study that has begun."""

    def __init__(
        self,
        spec: Spec,
        folder: StudyFolder,
        data: StudyData,
        terms: StudyTerms,
        *,
        proposer: Proposer,
        executor: Executor,
        display: Display,
    ):
        self._spec = spec
        self._folder = folder
        self._data = data
        self._terms = terms
        self._proposer = proposer
        self._executor = executor
        self._display = display
        self._trials: dict[int, RunningTrial] = {}
        self._shown = 0.0
        self._filling = _Filling()
        self._told = learn_what_was_told(proposer, folder)
        self._counts, self._best = TrialCounts(), BestTrials()
        self._repeated, self._ties = RepeatedPoints(), TieWatch(spec)
        for record in folder.records():
            self._counts.add(record)
            self._best.add(record)
            self._repeated.know(record)
            if record.number < self._told:
                self._ties.add(record)
        self._best_changed = False

    @property
    def n_trials(self) -> int:
        """How many trials the study has when the loop has run."""
        # What is under way when the sweep stops is trained to its end, in every run.
        return self._proposer.asked if self._ties.enough else self._terms.n_trials

    @property
    def stopped(self) -> str | None:
        """Why no more trials are proposed; None where the study goes on to its end."""
        return self._ties.sentence if self._ties.enough else None

    def run(self, tracking: BackgroundTracking | None, keeper: ModelKeeper) -> None:
        """Start or go on, until the study has all its trials."""
        for number in range(self._told, self._proposer.asked):
            self._start(number, self._proposer.ask_again(number))
        while True:
            with uninterrupted():
                self._tell_and_ask()
            over = self._told >= self.n_trials
            self._show(tracking, now=over)
            if over:
                return
            left = self._proposer.asked < self.n_trials
            before = self._executor.lanes_advanced
            events = self._executor.poll()
            if left:
                # Afterwards packs run empty, however many were under way.
                self._filling.add(before, self._executor.lanes_advanced)
            for event in events:
                with uninterrupted():
                    ended = self._take(event)
                if ended and tracking is not None:
                    tracking.notify()
                if ended and self._best_changed:
                    self._best_changed = False
                    keeper.notify(self._best.numbers)
            while self._executor.notices:
                self._display.say(self._executor.notices.pop(0))

    def _show(self, tracking: BackgroundTracking | None, *, now: bool) -> None:
        # Workers answer many times a second, and people do not look that often.
        if now or time.monotonic() - self._shown > _SHOW_EVERY:
            self._shown = time.monotonic()
            self._display.show(self._state(tracking))

    def _tell_and_ask(self) -> None:
        """Tell what is finished in the order of numbers; ask for one more after each."""
        while True:
            left = self._proposer.asked < self.n_trials
            if left and self._told >= self._proposer.needed:
                self._start(*self._proposer.ask())
            elif self._told < self._proposer.asked and self._folder.finished(self._told):
                record = self._folder.record(self._told)
                self._proposer.tell(told_trial(record))
                self._told += 1
                if self._ties.add(record):
                    self._display.say(self._ties.sentence)
            else:
                return

    def _start(self, number: int, parameters: dict[str, Any]) -> None:
        if self._folder.finished(number):
            if self._folder.record(number).parameters != parameters:
                raise refuse(
                    f"{self._folder.path}, trial {number}",
                    "the sampler's history is gone or another one, and it now proposes something "
                    "else",
                    "Give the storage the study was started with, or begin a new study",
                )
            return
        plan = make_plan(number, parameters, self._spec, self._data)
        first = self._repeated.first(plan)
        if first != number and self._folder.finished(first):
            self._repeat(plan, first)
            return
        if first != number:
            self._repeated.wait_for(first, plan)
            return
        self._trials[number] = RunningTrial(plan, self._spec.repeats)
        for repeat in range(self._spec.repeats_at_once):
            self._submit(number, repeat)

    def _repeat(self, plan: Plan, first: int) -> None:
        """Record a trial of a point that an earlier trial has had."""
        record = repeated_record(self._folder.record(first), plan.number, plan.parameters)
        self._keep(record, self._folder.networks(first))

    def _submit(self, number: int, repeat: int) -> None:
        self._executor.submit(make_job(self._trials[number].plan, repeat, self._spec, self._data))

    def _take(self, event: Event) -> bool:
        """Handle what a worker says; whether a trial ended with it."""
        trial = self._trials.get(event.trial)
        if trial is None:
            return False
        if isinstance(event, Report):
            return self._take_report(trial, event)
        assert isinstance(event, Finished)
        return self._take_finished(trial, event)

    def _take_report(self, trial: RunningTrial, report: Report) -> bool:
        if self._spec.pruner.name in ("none", "wilcoxon") or report.step % self._terms.report_every:
            return False
        joint = trial.take_report(report, self._terms.penalty)
        return joint is not None and self._judge(trial, *joint, unit="step")

    def _take_finished(self, trial: RunningTrial, finished: Finished) -> bool:
        done = trial.take_finished(finished)
        number = trial.plan.number
        if self._spec.pruner.name == "wilcoxon":
            report = (finished.repeat, error_of(finished, self._terms.penalty))
            if done:
                trial.reports.append(report)
            elif self._judge(trial, *report, unit="repeat"):
                return True
            else:
                self._submit(number, finished.repeat + 1)
        if done:
            marks = self._proposer.marks(number)
            self._end(*finished_record(trial, self._spec, self._terms, marks))
        return done

    def _judge(self, trial: RunningTrial, step: int, value: float, *, unit: str) -> bool:
        """Let the pruner decide; a pruned trial ends here, whatever its workers still do."""
        number = trial.plan.number
        trial.reports.append((step, value))
        if not self._proposer.prune(number, step, value):
            return False
        reason = (
            f"Pruned by {self._spec.pruner.name} at {unit} {step}: a validation MAE of "
            f"{value:.4g} is too far behind earlier trials."
        )
        self._executor.cancel(number)
        self._end(pruned_record(trial, step, reason, self._proposer.marks(number)), None)
        return True

    def _end(self, record: TrialRecord, networks: TrialNetworks | None) -> None:
        self._keep(record, networks)
        del self._trials[record.number]
        for plan in self._repeated.waiting_for(record.number):
            self._repeat(plan, record.number)

    def _keep(self, record: TrialRecord, networks: TrialNetworks | None) -> None:
        self._folder.write_trial(record, networks)
        self._counts.add(record)
        self._best_changed |= record.completed and self._best.add(record)

    def _state(self, tracking: BackgroundTracking | None) -> SweepState:
        return SweepState(
            total=self.n_trials,
            counts=self._counts,
            running=self._executor.n_running,
            workers=self._executor.n_workers,
            programs=self._executor.programs,
            compile_seconds=self._executor.compile_seconds,
            training_share=self._executor.training_share,
            filled_share=self._filling.share,
            tracking=None if tracking is None else tracking.status,
        )


class _Filling:
    """How full the packs were."""

    def __init__(self) -> None:
        self._advanced = self._filled = 0

    def add(self, before: tuple[int, int], after: tuple[int, int]) -> None:
        """Count the lanes that were advanced, and those of them with a training, in between."""
        # A worker that died counts anew.
        self._advanced += max(0, after[0] - before[0])
        self._filled += max(0, after[1] - before[1])

    @property
    def share(self) -> float | None:
        """The share of lanes with a training; None before any was advanced."""
        return self._filled / self._advanced if self._advanced else None


def learn_what_was_told(proposer: Proposer, folder: StudyFolder) -> int:
    """Let the pruner remember earlier runs; returns how many trials the sampler knows.

    Raises InputError where records are gone that the sampler has learned from.
    """
    told = proposer.told()
    lost = [number for number in told if not folder.finished(number)]
    if lost:
        raise refuse(
            f"{folder.path}, trials",
            f"the sampler has learned from trials whose records are gone: {lost}",
            "Put their folders back, or begin a new study",
        )
    for number in told:
        proposer.learn(told_trial(folder.record(number)))
    return len(told)
