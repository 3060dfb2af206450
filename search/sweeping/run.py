"""The sweep: the one place that brings sampler, workers, records and MLflow together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cellbox.equation.gradient_check import check_gradient
from cellbox.equation.steady_state import check_times
from cellbox.errors import InputError, Problem
from cellbox.settings import settings_from_dict
from cellbox.storage.compilation import keep_compiled_programs
from search.console.interrupts import Interrupted, uninterrupted
from search.proposals.proposer import Proposer
from search.report.folders import report_of_run
from search.spec.reading import read_spec
from search.spec.rules import rule_problems
from search.spec.tables import Spec
from search.study.access import alone_with
from search.study.data import StudyData
from search.study.data_loading import load_study_data
from search.study.folder import StudyFolder
from search.study.identifiability import save_identifiability
from search.study.result import SweepResult, best_numbers, save_best_models
from search.sweeping.beginning import begin_study
from search.sweeping.devices import begin_plans, take_workers
from search.sweeping.display import Display, make_display
from search.sweeping.loop import SweepLoop
from search.sweeping.terms import terms_of
from search.workers.start import StartingWorkers, started_workers

if TYPE_CHECKING:
    from search.tracking.background import BackgroundTracking


def sweep(
    spec: Spec | str | Path,
    *,
    study: str | Path | None = None,
    trials: int | None = None,
    display: Display | None = None,
    report: bool = True,
) -> SweepResult:
    """Run a sweep, or go on with one that was started in the same folder.

    spec: what to search, or the path of its TOML file. study: the study's folder; by default
    studies/<name>. trials: how many the study has in all, instead of the spec's. display: what
    shows progress; by default the terminal. report: whether to write report.html into the study's
    folder at the end.

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
    if not isinstance(spec, Spec):
        spec = read_spec(spec)
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
            keep_compiled_programs()
            loop, data = _prepared_loop(spec, folder, workers, shown)
            with _tracked(tracking, folder, shown, data, report):
                loop.run(tracking)
    except KeyboardInterrupt as interrupt:
        finished = len(folder.finished_numbers())
        raise Interrupted(folder.path, finished, spec.trials, "trials") from interrupt
    return SweepResult(folder)


def _prepared_loop(
    spec: Spec, folder: StudyFolder, workers: StartingWorkers, display: Display
) -> tuple[SweepLoop, StudyData]:
    """The loop of a study that has begun, and the data that its trials train on."""
    display.say("preparing the data while the workers start")
    settings = settings_from_dict(spec.training)
    data = load_study_data(spec)
    for warning in data.warnings:
        display.say(f"warning: {warning}")
    check_times(settings.solver, data.times)
    plans = begin_plans(folder, workers, spec, settings, data)
    check_gradient(settings.solver, data.evaluation.times, data.evaluation.n_nodes)
    terms = terms_of(spec, settings, data)
    study = begin_study(folder, spec, data, terms)
    with uninterrupted():
        proposer = Proposer(
            spec,
            folder.path,
            study_id=study.id,
            several_times=data.several_times,
            report_every=terms.report_every,
            total_steps=settings.total_steps,
        )
    executor = take_workers(folder, workers, spec, data, plans(), display)
    loop = SweepLoop(
        spec, folder, data, terms, proposer=proposer, executor=executor, display=display
    )
    return loop, data


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
    tracking: BackgroundTracking | None,
    folder: StudyFolder,
    display: Display,
    data: StudyData,
    report: bool,
) -> Iterator[None]:
    """MLflow beside the block; at its end, however it ends, models of the best and the report."""
    if tracking is not None:
        tracking.start()
    try:
        yield
    finally:
        if tracking is not None:
            display.say("writing the best models, the report and MLflow's pages")
        best = best_numbers(folder)
        save_best_models(folder, best)
        save_identifiability(folder, best, data)
        no_report = report_of_run(folder.path) if report else None
        if no_report:
            display.say(no_report)
        unwritten = tracking.finish(best) if tracking is not None else None
        if unwritten:
            display.say(unwritten)
