"""The loop of a sweep: asks for trials, trains them, lets the pruner judge, tells what came out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cellbox.errors import refuse
from search.console.interrupts import interrupt_if_asked, uninterrupted
from search.proposals.proposer import Proposer
from search.spec.tables import Spec
from search.study.data import StudyData
from search.study.expected_gain import GainWatch
from search.study.folder import StudyFolder, TrialNetworks
from search.study.patience import PatienceWatch
from search.study.ranking import BestTrials, TrialCounts
from search.study.record import TrialRecord
from search.study.summaries import TrialSummaries
from search.study.summary_lines import TrialSummary, summary_of
from search.study.ties import TieWatch
from search.sweeping.control import Control
from search.sweeping.display import Display, SweepState
from search.sweeping.filling import Filling
from search.sweeping.own_parts import Callbacks
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
    state_of_parent,
    told_trial,
)
from search.sweeping.under_way import UnderWay
from search.workers.executor import Executor
from search.workers.job import Continued, Event, Finished, Report, Saved

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
        control: Control,
        summaries: TrialSummaries,
    ):
        self._spec = spec
        self._folder = folder
        self._data = data
        self._terms = terms
        self._proposer = proposer
        self._executor = executor
        self._under_way = UnderWay(folder, executor, display.say)
        self._display = display
        self._control = control
        self._queue = control.queue
        self._own, self._steering = control.own, control.steering
        self._trials: dict[int, RunningTrial] = {}
        self._shown = 0.0
        self._filling = Filling()
        self._told = 0
        self._counts, self._best = TrialCounts(), BestTrials()
        self._repeated = RepeatedPoints()
        # Of a sampler of one's own nobody knows whether it learns.
        self._gain = GainWatch(spec, learns=None if control.own.sampler is None else True)
        self._watches = (TieWatch(spec), PatienceWatch(spec), self._gain)
        # What is known of trials that ended before, and where those that end are noted.
        self._summaries = summaries
        self._callbacks = Callbacks(control.own, folder, display.say)
        self._best_changed = self._knows_all = False
        # Of trials that ended in this run, until the sampler is told.
        self._ended: dict[int, TrialRecord] = {}
        # Trials of which the user's functions have not been told.
        self._untold: list[TrialRecord] = []
        #: Why the run ended before the study, as a sentence; None where it did not.
        self.cut: str | None = None

    @property
    def n_trials(self) -> int:
        """How many trials the study has when the loop has run."""
        # What is under way when the sweep stops is trained to its end, in every run.
        if self.stopped is not None:
            return self._proposer.asked
        return self._terms.n_trials + self.n_carried

    @property
    def n_carried(self) -> int:
        """How many trials were carried over from earlier studies."""
        return len(self._queue.carried)

    @property
    def best_numbers(self) -> list[int] | None:
        """Numbers of the best trials; None before those of earlier runs are known."""
        return self._best.numbers if self._knows_all else None

    @property
    def stopped(self) -> str | None:
        """Why no more trials are proposed; None where the study goes on to its end."""
        return next((watch.sentence for watch in self._watches if watch.enough), None)

    def run(self, tracking: BackgroundTracking | None, keeper: ModelKeeper) -> None:
        """Start or go on, until the study has all its trials, or the run is to end."""
        self._learn_what_was_told(tracking)
        if self.cut is None:
            self._carry()
            for number in range(self._told, self._proposer.asked):
                self._start(number, self._proposer.ask_again(number))
            try:
                self._turn(tracking, keeper)
            except KeyboardInterrupt:
                self._save()
                raise
            finally:
                self._keep_indexes(whole=True)
        if self.cut is None:
            self._under_way.close()
        else:
            self._save()

    def _save(self) -> None:
        """Let the next run go on with the trainings that are under way."""
        self._under_way.save()
        self._say_notices()

    def _keep_indexes(self, *, whole: bool = False) -> None:
        """Let a long study go on, and be looked at, without reading all of it."""
        self._proposer.keep_index(whole=whole)
        self._summaries.keep(whole=whole)

    def _turn(self, tracking: BackgroundTracking | None, keeper: ModelKeeper) -> None:
        while True:
            interrupt_if_asked()
            with uninterrupted():
                self._tell_and_ask()
            self._call_back()
            self.cut = self._why_cut()
            over = self.cut is not None or self._told >= self.n_trials
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
            self._say_notices()

    def _call_back(self) -> None:
        """Call the user's functions, which Ctrl-C may end."""
        while self._untold:
            self._callbacks.trial_ended(self._untold.pop(0))

    def _say_notices(self) -> None:
        while self._executor.notices:
            notice = self._executor.notices.pop(0)
            self._display.say(notice)
            self._control.state.tell(error=notice)
        self._under_way.tell()

    def _why_cut(self) -> str | None:
        """Why the run ends now, before its study; None where it goes on."""
        if self._told >= self.n_trials:
            return None
        if self._callbacks.stopped_by is not None:
            return f"Stopped: {self._callbacks.stopped_by}; the same call goes on."
        if self._steering.short_of_time:
            # Proposed already, they are trained by the next run.
            self._executor.withhold()
            if not self._executor.n_running:
                return self._steering.time_is_over
        return self._steering.over()

    def _show(self, tracking: BackgroundTracking | None, *, now: bool) -> None:
        # Workers answer many times a second, and people do not look that often.
        if now or time.monotonic() - self._shown > _SHOW_EVERY:
            self._shown = time.monotonic()
            state = self._state(tracking)
            self._display.show(state)
            self._control.tell_state(state, now=now)

    def _learn_what_was_told(self, tracking: BackgroundTracking | None) -> None:
        """Take note of earlier runs' trials; what is no longer there is trained once more."""
        told, finished = set(self._proposer.told()), set(self._folder.finished_numbers())
        for number in sorted(told | finished):
            if number in finished:
                trial = self._summaries.of(number)
                self._counts.add(trial)
                self._best.add(trial)
                self._repeated.know(trial)
                self._callbacks.know(trial)
            else:
                self._train_once_more(number, tracking)
                if self.cut is not None:
                    return
                trial = summary_of(self._folder.record(number))
            if number in told:
                self._proposer.learn(told_trial(trial))
                self._told += 1
                self._watch(trial)
        self._summaries.forget()
        self._knows_all = True

    def _train_once_more(self, number: int, tracking: BackgroundTracking | None) -> None:
        """Train a trial again that the sampler knows and whose record is gone."""
        self._display.say(f"the record of trial {number} is gone: it is trained once more")
        with uninterrupted():
            self._start(number, self._proposer.ask_again(number))
        while not self._folder.finished(number):
            self.cut = self._steering.over()
            self._show(tracking, now=False)
            if self.cut is not None:
                return
            for event in self._executor.poll():
                with uninterrupted():
                    self._take(event)
            self._say_notices()
        now, before = told_trial(self._folder.record(number)), self._proposer.told_values(number)
        if tuple(now.values) != before:
            self._display.say(
                f"trial {number} gave other numbers than before ({now.values} and {before}), as on "
                "another machine or with other lanes; the sampler goes on from the earlier ones"
            )

    def _carry(self) -> None:
        """Let the sampler know the trials that were carried over from earlier studies."""
        for number in range(self._proposer.asked, self.n_carried):
            record = self._folder.record(number)
            with uninterrupted():
                origin = self._queue.carried[number].origin
                self._proposer.carry(told_trial(record), record.parameters, origin)
            self._told += 1
            self._watch(record)

    def _watch(self, record: TrialRecord | TrialSummary) -> None:
        """Let those that may stop the study see its trials in the order of their numbers."""
        for watch in self._watches:
            if watch.add(record):
                self._display.say(watch.sentence)

    def _tell_and_ask(self) -> None:
        """Tell what is finished in the order of numbers; ask for one more after each."""
        # What one disk write holds may be lost: it is proposed and told again, the same.
        with self._proposer.at_once():
            self._tell_and_ask_each()
        self._keep_indexes()

    def _tell_and_ask_each(self) -> None:
        while True:
            left = self._proposer.asked < self.n_trials
            if left and self._told >= self._proposer.needed:
                if self._steering.short_of_time:
                    # What the next proposal may not know of is told by the run that makes it.
                    return
                self._start(*self._proposer.ask())
            elif self._told < self._proposer.asked and self._folder.finished(self._told):
                record = self._ended.pop(self._told, None) or self._folder.record(self._told)
                self._proposer.tell(told_trial(record))
                self._told += 1
                self._watch(record)
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
        origin = self._queue.origin(number)
        lineage = self._proposer.lineage(number)
        plan = make_plan(number, parameters, self._spec, self._data, origin, lineage)
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
        record = repeated_record(self._folder.record(first), plan)
        self._keep(record, self._folder.networks(first))

    def _submit(self, number: int, repeat: int) -> None:
        plan = self._trials[number].plan
        begins = state_of_parent(plan, self._folder)
        self._executor.submit(make_job(plan, repeat, self._spec, self._data, begins))

    def _take(self, event: Event) -> bool:
        """Handle what a worker says; whether a trial ended with it."""
        trial = self._trials.get(event.trial)
        if trial is None:
            return False
        if isinstance(event, Report):
            return self._take_report(trial, event)
        if isinstance(event, Saved | Continued):
            self._under_way.take(event)
            return False
        assert isinstance(event, Finished)
        return self._take_finished(trial, event)

    def _take_report(self, trial: RunningTrial, report: Report) -> bool:
        unjudged = self._own.pruner is None and self._spec.pruner.name in ("none", "wilcoxon")
        if unjudged or report.step % self._terms.report_every:
            return False
        joint = trial.take_report(report, self._terms.penalty)
        return joint is not None and self._judge(trial, *joint, unit="step")

    def _take_finished(self, trial: RunningTrial, finished: Finished) -> bool:
        done = trial.take_finished(finished)
        number = trial.plan.number
        if self._own.pruner is None and self._spec.pruner.name == "wilcoxon":
            report = (finished.repeat, error_of(finished, self._terms.penalty))
            if done:
                trial.reports.append(report)
            elif self._judge(trial, *report, unit="repeat"):
                return True
            else:
                self._submit(number, finished.repeat + 1)
        if done:
            marks = self._proposer.marks(number)
            record, networks = finished_record(trial, self._spec, self._terms, marks)
            self._end(self._own.measured(record, networks, self._folder), networks)
        return done

    def _judge(self, trial: RunningTrial, step: int, value: float, *, unit: str) -> bool:
        """Let the pruner decide; a pruned trial ends here, whatever its workers still do."""
        number = trial.plan.number
        trial.reports.append((step, value))
        if not self._proposer.prune(number, step, value):
            return False
        pruner = self._own.names.get("pruner", self._spec.pruner.name)
        reason = (
            f"Pruned by {pruner} at {unit} {step}: a validation MAE of "
            f"{value:.4g} is too far behind earlier trials."
        )
        self._executor.cancel(number)
        shape = trial.repeats[0].shape if unit == "repeat" else None
        self._end(pruned_record(trial, step, reason, self._proposer.marks(number), shape), None)
        return True

    def _end(self, record: TrialRecord, networks: TrialNetworks | None) -> None:
        self._keep(record, networks)
        del self._trials[record.number]
        for plan in self._repeated.waiting_for(record.number):
            self._repeat(plan, record.number)

    def _keep(self, record: TrialRecord, networks: TrialNetworks | None) -> None:
        self._folder.write_trial(record, networks)
        self._under_way.ended(record.number)
        self._summaries.add(record)
        self._ended[record.number] = record
        self._counts.add(record)
        self._best_changed |= record.eligible and self._best.add(record)
        self._steering.note(record)
        self._untold.append(record)

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
            tracking=None if tracking is None else tracking.status_of(self._counts.finished),
            outlook=self._gain.outlook,
        )
