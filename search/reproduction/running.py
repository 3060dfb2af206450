"""The paper's experiment again, from what was asked for to tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from cellbox.errors import refuse
from search.console.interrupts import Interrupted
from search.reproduction.folder import ReproductionFolder
from search.reproduction.progress import Display, Pace, make_display
from search.reproduction.recipe import FULL, QUICK, Recipe
from search.reproduction.result import Reproduction
from search.reproduction.summary import TaskResult
from search.reproduction.task import Task, make_tasks
from search.reproduction.workers import TaskProcesses, TaskUnderWay
from search.workers.device import cores

DEFAULT_FOLDER = Path("studies") / "reproduce"
SEEDS, QUICK_SEEDS = 3, 1


def reproduce(
    systems: Iterable[str] | None = None,
    *,
    sigma: float | Sequence[float] | None = None,
    seeds: int | None = None,
    first_seed: int = 0,
    design: str = "balanced",
    quick: bool = False,
    recipe: Recipe | None = None,
    out: str | Path = DEFAULT_FOLDER,
    workers: int | None = None,
    display: Display | None = None,
) -> Reproduction:
    """Learn the known systems from simulated experiments, as Ji et al. 2021 did.

    systems: names; all ten by default. sigma: noise of a measurement (log ratio), one or
        several; by default the paper's own for each system.
    seeds: draws of design, noise and starts, from `first_seed` on; 3, or 1 if quick.
    design: "balanced", or "paper", which leaves some nodes unperturbed (see `cellbox.data.design`).
    quick: fewer models and steps. recipe: what is tried, instead of that.
    out: folder where everything is kept: a task that is finished there is not done again.
    workers: processes, each on a core of its own; one for each core by default.

    A task that fails is part of the result and ends no other. Raises InputError for what cannot
    be asked for; after Ctrl-C, `Interrupted`, and everything finished is kept.

    Example:
        Not run as a test: it takes half a minute and starts processes.

        >>> import search
        >>> result = search.reproduce(["LI"], quick=True)  # doctest: +SKIP
        >>> result.network("LI").n_nodes  # doctest: +SKIP
        7
    """
    recipe = recipe or (QUICK if quick else FULL)
    count = seeds if seeds is not None else (QUICK_SEEDS if quick else SEEDS)
    tasks = make_tasks(systems, sigma, count, first_seed, design)
    n_workers = _worker_count(workers)
    folder = ReproductionFolder(Path(out))
    try:
        with folder.opened(), display or make_display() as shown:
            run = _Run(folder, recipe, tasks, shown)
            run.do(n_workers)
            shown.say("drawing")
            result = Reproduction(folder, recipe, run.results())
            result.write()
    except KeyboardInterrupt as interrupt:
        done = sum(folder.record(task, recipe) is not None for task in tasks)
        raise Interrupted(folder.path, done, len(tasks), "tasks") from interrupt
    return result


class _Run:
    """The tasks of one call, and what became of them."""

    def __init__(
        self, folder: ReproductionFolder, recipe: Recipe, tasks: list[Task], display: Display
    ):
        self._folder, self._recipe, self._tasks = folder, recipe, tasks
        self._display = display
        self._problems: dict[Task, str] = {}

    def do(self, n_workers: int) -> None:
        """Do what is not done yet."""
        records = {task: self._folder.record(task, self._recipe) for task in self._tasks}
        left = [task for task in self._tasks if records[task] is None]
        outdated = sum(self._folder.is_outdated(task, self._recipe) for task in left)
        n_done = len(self._tasks) - len(left)
        if n_done:
            self._display.say(f"{n_done} of {len(self._tasks)} tasks were finished before")
        if outdated:
            self._display.say(f"{outdated} tasks were done with other settings, and are done again")
        if not left:
            return
        # The longest first, so that no core is left alone with one at the end.
        left.sort(key=lambda task: -task.cost)
        n_workers = min(n_workers, len(left))
        self._display.say(
            f"{len(left)} tasks on {n_workers} workers; results in {self._folder.path}"
        )
        pace = Pace(left, finished=n_done, total=len(self._tasks))
        with TaskProcesses(self._folder, self._recipe, n_workers) as workers:
            for news in workers.run(left):
                if isinstance(news, TaskUnderWay):
                    pace.take(news)
                elif news is not None:
                    failed = self._note(news.task, news.problem)
                    pace.end(news.task, failed=failed)
                if pace.is_due():
                    self._display.show(pace.state)
        self._display.show(pace.state)

    def _note(self, task: Task, problem: str | None) -> bool:
        """Say what became of a task; whether it has no network."""
        if problem is not None:
            self._problems[task] = problem
        result = self._result(task)
        if not result.ok:
            self._display.say(f"{task.name} {result.record['status']}: {result.record['message']}")
        return not result.ok

    def results(self) -> tuple[TaskResult, ...]:
        """Every task with what became of it."""
        return tuple(self._result(task) for task in self._tasks)

    def _result(self, task: Task) -> TaskResult:
        record = self._folder.record(task, self._recipe)
        if record is None:
            message = self._problems.get(task, "Its record cannot be read.")
            record = {"status": "lost", "message": message}
        return TaskResult(task, record)


def _worker_count(workers: int | None) -> int:
    if workers is None:
        return len(cores())
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise refuse(
            "workers", f"expected a whole number from 1 up, found {workers!r}", "Choose another"
        )
    return workers
