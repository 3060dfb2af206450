"""The sweep: the one place that brings sampler, workers, records and MLflow together.

What brings JAX is imported when the workers are on their way, which then import it as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import InputError, Problem, refuse
from search.console.interrupts import Interrupted, uninterrupted
from search.spec.reading import parse, read_spec
from search.spec.rules import rule_problems
from search.spec.tables import ExpectedGainTable, Spec, gain_table
from search.study.access import alone_with, disk_failures_named
from search.study.ending import forget_stop, note_end, note_stop, note_tracked, tracked
from search.study.folder import StudyFolder
from search.study.ranking import best_numbers
from search.study.result import SweepResult
from search.study.shared_settings import with_shared_settings
from search.study.state import StateWriter, note_finished
from search.study.stopping import forget_request
from search.sweeping.control import Control, told_state
from search.sweeping.display import Display, make_display
from search.sweeping.own_parts import Metric, OnTrial, OwnParts
from search.sweeping.steering import Steering
from search.tracking.starting import started_tracking
from search.workers.start import StartingWorkers, started_workers

if TYPE_CHECKING:
    from search.proposals.own import BasePruner, BaseSampler
    from search.sweeping.keeping import ModelKeeper
    from search.sweeping.loop import SweepLoop
    from search.tracking.background import BackgroundTracking


def sweep(
    spec: Spec | str | Path,
    *,
    study: str | Path | None = None,
    trials: int | None = None,
    hours: float | None = None,
    expected_gain: float | Mapping[str, Any] | None = None,
    display: Display | None = None,
    report: bool = True,
    sampler: BaseSampler | Callable[[int], BaseSampler] | None = None,
    pruner: BasePruner | None = None,
    metric: Metric | None = None,
    on_trial: OnTrial | None = None,
    on_improvement: OnTrial | None = None,
) -> SweepResult:
    """Run a sweep, or go on with one that was started in the same folder.

    spec: what to search, or the path of its TOML file. study: the study's folder; by default
    studies/<name>. trials, hours, expected_gain: how many the study has in all, how long this run
    may take, and what more trials have to promise (a share, or a mapping as in the file), instead
    of the spec's. display: what shows progress; by default the terminal. report: whether
    report.html is written. sampler, pruner, metric, on_trial, on_improvement: see `OwnParts`.

    The same spec and seed in a new folder give the same study, whatever the number of workers.
    Raises InputError for a spec that cannot be run, or that differs from the study's, and its
    subclass DiskFailed where the study cannot be written any more. After
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
    if not isinstance(spec, Spec):
        spec = read_spec(spec)
    spec = _with(spec, trials, hours, expected_gain)
    own = OwnParts(sampler, pruner, metric, on_trial, on_improvement)
    own.check(len(spec.objective.minimise))
    for name, given in (("sampler", sampler), ("pruner", pruner)):
        if given is not None and spec.sampler.by_generations:
            raise refuse(name, f"expected no {name} of one's own beside pbt, found one",
                         "Leave it out, or choose another name in [sampler]")  # fmt: skip
    started = time.monotonic()
    folder = StudyFolder(Path(study) if study is not None else Path("studies") / spec.name)
    spec = with_shared_settings(spec, folder.path)
    try:
        with (
            disk_failures_named(folder),
            alone_with(folder, spec) as has_ended,
            display or make_display() as shown,
        ):
            # Of an earlier run, which did not see it.
            forget_request(folder)
            if not has_ended:
                control = Control(own, Steering(folder, spec.hours, started), StateWriter(folder))
                with told_state(control.state):
                    _run(spec, folder, shown, report, control)
            else:
                # Where its last run was killed before it could.
                forget_stop(folder)
                note_finished(folder)
                if not tracked(folder, spec):
                    _track(spec, folder, shown)
    except KeyboardInterrupt as interrupt:
        finished = len(folder.finished_numbers())
        raise Interrupted(folder.path, finished, spec.trials, "trials") from interrupt
    return SweepResult(folder)


def _with(
    spec: Spec,
    trials: int | None,
    hours: float | None,
    expected_gain: float | Mapping[str, Any] | None,
) -> Spec:
    """The spec with what a call says instead; all that is wrong with either is told together."""
    problems: list[Problem] = []
    if expected_gain is not None:
        found, problems = parse(ExpectedGainTable, gain_table(expected_gain), "expected_gain")
        spec = spec.model_copy(update={"expected_gain": found})
    problems += rule_problems(spec, "spec")
    for name, given in (("trials", trials), ("hours", hours)):
        if given is None:
            continue
        if not given >= (1 if name == "trials" else 1e-9):
            expected = "at least 1" if name == "trials" else "a number above 0"
            problems.append(Problem(name, f"expected {expected}, found {given}", "Ask for more"))
        spec = spec.model_copy(update={name: given})
    if problems:
        raise InputError(problems)
    return spec


def _run(spec: Spec, folder: StudyFolder, display: Display, report: bool, control: Control) -> None:
    """Start or go on, until the study has all that it will have, or the run is to end."""
    with ExitStack() as open_things:
        enter = open_things.enter_context
        workers = enter(started_workers(spec.workers, display.say, "train"))
        # Late, so that Ray forks no process that has JAX's threads, and workers import beside us.
        # Not interrupted, which the libraries that it brings do not survive while they are loaded.
        with uninterrupted():
            from search.sweeping.preparation import prepare

        loop, keeper = prepare(spec, folder, workers, display, control)
        tracking = enter(started_tracking(folder, spec.tracking))
        note_stop(folder, None)
        with _kept(loop, keeper, tracking, folder, workers, display, report):
            loop.run(tracking, keeper)
            control.state.tell(now=True, phase="finishing")
            # Before MLflow is told of the end, which says why as well.
            note_stop(folder, loop.cut or loop.stopped)
        control.state.tell(
            now=True,
            phase="finished" if loop.cut is None else "stopped",
            why=loop.cut or loop.stopped,
            running=0,
        )
        if loop.cut is not None:
            forget_request(folder)
            display.say(loop.cut)
            return
        forget_stop(folder)
        note_end(folder, spec, loop.n_trials, loop.n_carried, loop.stopped)
        if tracking is not None and tracking.complete:
            note_tracked(folder, spec)


def _track(spec: Spec, folder: StudyFolder, display: Display) -> None:
    """Write to MLflow what it lacks of a study that has ended."""
    display.say("the study has all its trials; writing what MLflow lacks")
    with started_tracking(folder, spec.tracking) as tracking:
        assert tracking is not None
        unwritten = tracking.finish(best_numbers(folder))
    if unwritten:
        display.say(unwritten)
    else:
        note_tracked(folder, spec)


@contextmanager
def _kept(
    loop: SweepLoop,
    keeper: ModelKeeper,
    tracking: BackgroundTracking | None,
    folder: StudyFolder,
    workers: StartingWorkers,
    display: Display,
    report: bool,
) -> Iterator[None]:
    """At the block's end, however it ends: models of the best, the report, and MLflow's rest."""
    try:
        yield
    finally:
        display.say("writing what is left of the best models, the report and MLflow's pages")
        with ThreadPoolExecutor(1) as beside:
            closed = beside.submit(workers.close)
            known = loop.best_numbers
            best = best_numbers(folder) if known is None else known
            if tracking is not None:
                tracking.end_soon(best)
            keeper.finish(best)
            if tracking is not None:
                tracking.models_there(best)
            if report:
                _write_report(folder, display)
            unwritten = tracking.finish(best) if tracking is not None else None
            closed.result()
        if unwritten:
            display.say(unwritten)


def _write_report(folder: StudyFolder, display: Display) -> None:
    from search.report.folders import report_of_run

    no_report = report_of_run(folder.path)
    if no_report:
        display.say(no_report)
