"""A budget study: experiments are chosen, done by workers, kept, and answered from."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import refuse
from search.budget.display import Display, make_display
from search.budget.result import BudgetResult
from search.console.interrupts import Interrupted, uninterrupted
from search.spec.budget_reading import read_budget_spec
from search.spec.budget_tables import BudgetSpec, DataBudgetSpec
from search.study.access import refuse_changes
from search.study.budget_folder import ANSWER, BudgetFolder
from search.study.shared_settings import with_shared_settings
from search.tracking.credentials import without_credentials_inside
from search.tracking.starting import started_tracking
from search.workers.start import StartingWorkers, started_workers

if TYPE_CHECKING:
    from search.budget.loop import BudgetLoop
    from search.tracking.background import BackgroundTracking

# Rises when experiments are done in another way, so that no study mixes the two.
_FORMAT = 1

_ENDED = "ended.json"


def budget_study(
    spec: BudgetSpec | DataBudgetSpec | str | Path,
    *,
    study: str | Path | None = None,
    experiments: int | None = None,
    display: Display | None = None,
    report: bool = True,
) -> BudgetResult:
    """Find the cheapest experiment that is enough, or go on with a study in the same folder.

    spec: what to ask, or the path of its TOML file. study: the study's folder; by default
    studies/<name>. experiments: at most so many in all, instead of the spec's. display: what shows
    progress; by default the terminal. report: whether to write report.html at the end.

    The same spec and seed in a new folder give the same study, whatever the number of workers.
    Raises InputError for a spec that cannot be run, or that differs from the study's. After Ctrl-C
    everything finished is kept, and Interrupted is raised.

    Example:
        >>> import search
        >>> spec = search.make_budget_spec({
        ...     "name": "small-budget",
        ...     "truth": {"family": {"nodes": 3, "density": 0.5}},
        ...     "axes": {"conditions": [3, 6], "perturbed_nodes": 1, "time_points": 2},
        ...     "experiments": 8,
        ...     "workers": {"executor": "inline"},
        ...     "tracking": {"enabled": False},
        ... })
        >>> result = search.budget_study(spec, study="small-budget")
        >>> len(result.experiments), result.to_frame().shape[0]
        (8, 2)
    """
    if not isinstance(spec, BudgetSpec | DataBudgetSpec):
        spec = read_budget_spec(spec)
    if experiments is not None:
        if experiments < 1:
            raise refuse("experiments", f"expected at least 1, found {experiments}", "Ask for more")
        spec = spec.model_copy(update={"experiments": experiments})
    folder = BudgetFolder(Path(study) if study is not None else Path("studies") / spec.name)
    spec = with_shared_settings(spec, folder.path)
    try:
        with _alone_with(folder, spec), display or make_display() as shown:
            if not _ended(folder, spec):
                _run(spec, folder, shown, report)
    except KeyboardInterrupt as interrupt:
        done = len(folder.finished_numbers())
        raise Interrupted(folder.path, done, spec.experiments, "experiments") from interrupt
    return BudgetResult(folder)


def _run(
    spec: BudgetSpec | DataBudgetSpec, folder: BudgetFolder, display: Display, report: bool
) -> None:
    with started_workers(spec.workers, display.say, "work") as workers:
        # Late, so that Ray forks no process that has JAX's threads.
        loop = _prepared(spec, folder, workers, display)
        with started_tracking(folder, spec.tracking) as tracking:
            with ExitStack() as ending:
                ending.callback(_end, loop, folder, tracking, display, report)
                loop.run(tracking)
            ended = {"asked": _asked(spec), "done": len(folder.finished_numbers())}
            folder.write_json(_ENDED, ended)


def _asked(spec: BudgetSpec | DataBudgetSpec) -> dict[str, Any]:
    """What decides when a study is over."""
    asked: dict[str, Any] = {"experiments": spec.experiments}
    if isinstance(spec, BudgetSpec):
        asked |= {"interval": spec.choosing.interval, "fewest": spec.choosing.fewest}
    return asked


def _ended(folder: BudgetFolder, spec: BudgetSpec | DataBudgetSpec) -> bool:
    """Whether a study has all that it will have, and nothing that it read can have changed."""
    if not isinstance(spec, BudgetSpec) or not folder.has(_ENDED) or not folder.has(ANSWER):
        return False
    ended = folder.read_json(_ENDED)
    from_files = spec.truth.system is None and spec.truth.family is None
    there = len(folder.finished_numbers()) == ended["done"]
    return there and not from_files and ended["asked"] == _asked(spec)


def _prepared(
    spec: BudgetSpec | DataBudgetSpec,
    folder: BudgetFolder,
    workers: StartingWorkers,
    display: Display,
) -> BudgetLoop:
    from cellbox.budgets.subsamples import Subsamples
    from cellbox.data.plausibility import data_warnings
    from cellbox.storage.compilation import keep_compiled_programs
    from search.budget.loop import BudgetLoop
    from search.budget.sources import fingerprint, measured_experiments, simulated_experiments
    from search.budget.worker import ExperimentWorker

    display.say("preparing the budgets while the workers load what experiments need")
    keep_compiled_programs()
    experiments = (
        simulated_experiments(spec) if isinstance(spec, BudgetSpec) else measured_experiments(spec)
    )
    grid = {name: list(values) for name, values in experiments.grid.axes.items()}
    _begin(folder, spec, grid, fingerprint(experiments))
    executor = workers.take_for(ExperimentWorker, experiments)
    warnings = data_warnings(experiments.dataset) if isinstance(experiments, Subsamples) else ()
    return BudgetLoop(spec, folder, experiments.grid, executor, display, warnings)


def _begin(
    folder: BudgetFolder, spec: BudgetSpec | DataBudgetSpec, axes: dict[str, Any], source: str
) -> None:
    """Write what the study is, or check that it is still the same."""
    if folder.exists():
        known = folder.read_json(folder.MARK)
        if known["format"] != _FORMAT or known["source"] != source:
            what = "program" if known["format"] != _FORMAT else "truth or data"
            raise refuse(
                str(folder.path),
                f"the study was started with another {what}",
                "Choose another folder with --study, or bring the earlier one back",
            )
        known["spec"] = without_credentials_inside(spec.model_dump(mode="json"))
        folder.write_json(folder.MARK, known)
        return
    folder.write_json(
        folder.MARK,
        {
            "format": _FORMAT,
            "id": uuid.uuid4().hex,
            "created": time.time(),
            "source": source,
            "axes": axes,
            "spec": without_credentials_inside(spec.model_dump(mode="json")),
        },
    )


@contextmanager
def _alone_with(folder: BudgetFolder, spec: BudgetSpec | DataBudgetSpec) -> Iterator[None]:
    """Hold the study's folder. Raises InputError where it is another's, or of another spec."""

    def refuse_another() -> None:
        kept = folder.asked
        kind = DataBudgetSpec if "data" in kept else BudgetSpec
        refuse_changes(folder.path, kind.model_validate(kept).identity(), spec.identity())

    with folder.begun(refuse_another):
        yield


def _end(
    loop: BudgetLoop,
    folder: BudgetFolder,
    tracking: BackgroundTracking | None,
    display: Display,
    report: bool,
) -> None:
    """However a study ended: the answer from what there is, its page, MLflow."""
    with uninterrupted():
        _write_answer(loop, folder, display, report)
    unwritten = tracking.finish([]) if tracking is not None else None
    if unwritten:
        display.say(unwritten)


def _write_answer(loop: BudgetLoop, folder: BudgetFolder, display: Display, report: bool) -> None:
    display.say("answering from what is finished, and writing the report")
    answer, cells, experiments = loop.answer()
    if not experiments:
        return
    folder.write_json(ANSWER, answer)
    folder.write_csv("cells.csv", cells)
    folder.write_csv("experiments.csv", experiments)
    if report:
        from search.report.folders import report_of_run

        if (problem := report_of_run(folder.path)) is not None:
            display.say(problem)
