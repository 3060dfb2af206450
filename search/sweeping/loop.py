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
from search.study.result import TrialCounts
from search.sweeping.display import Display, SweepState
from search.sweeping.terms import StudyTerms
from search.sweeping.trials import (
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
        self._told = learn_what_was_told(proposer, folder)
        self._counts = TrialCounts.of(folder)

    def run(self, tracking: BackgroundTracking | None) -> None:
        """Start or go on, until the study has all its trials."""
        for number in range(self._told, self._proposer.asked):
            self._start(number, self._proposer.ask_again(number))
        while True:
            with uninterrupted():
                self._tell_and_ask()
            over = self._told >= self._terms.n_trials
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

    def _tell_and_ask(self) -> None:
        """Tell what is finished in the order of numbers; ask for one more after each."""
        while True:
            asked = self._proposer.asked
            if asked < self._terms.n_trials and self._told >= self._spec.sampler.seen_by(asked):
                self._start(*self._proposer.ask())
            elif self._told < self._proposer.asked and self._folder.finished(self._told):
                self._proposer.tell(told_trial(self._folder.record(self._told)))
                self._told += 1
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
        self._trials[number] = RunningTrial(plan, self._spec.repeats)
        for repeat in range(self._spec.repeats_at_once):
            self._submit(number, repeat)

    def _submit(self, number: int, repeat: int) -> None:
        self._executor.submit(make_job(self._trials[number].plan, repeat, self._spec, self._data))

    def _take(self, event: Event) -> bool:
        """Handle what a worker says; whether a trial ended with it."""
        trial = self._trials.get(event.trial)
        if trial is None:
            return False
        if isinstance(event, Report):
            return self._take_report(trial, event)
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
        self._folder.write_trial(record, networks)
        self._counts.add(record)
        del self._trials[record.number]

    def _state(self, tracking: BackgroundTracking | None) -> SweepState:
        return SweepState(
            total=self._terms.n_trials,
            counts=self._counts,
            running=self._executor.n_running,
            workers=self._executor.n_workers,
            programs=self._executor.programs,
            compile_seconds=self._executor.compile_seconds,
            training_share=self._executor.training_share,
            tracking=None if tracking is None else tracking.status,
        )


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
