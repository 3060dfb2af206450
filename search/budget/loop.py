"""The loop of a budget study: asks for experiments, has them done, and tells what came of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cellbox.budgets.grid import BudgetGrid
from cellbox.errors import DataWarning, refuse
from search.budget.choosing import Chooser, Planned, planned_of
from search.budget.data_findings import data_findings
from search.budget.display import BudgetState, Display
from search.budget.findings import experiment_rows, simulated_findings
from search.budget.sources import prices_of
from search.budget.worker import ExperimentDone, ExperimentToDo
from search.console.interrupts import uninterrupted
from search.proposals.budget_proposer import BudgetProposer
from search.spec.budget_tables import BudgetSpec, DataBudgetSpec
from search.study.budget_folder import BudgetFolder, ExperimentRecord
from search.workers.executor import Executor

if TYPE_CHECKING:
    from search.tracking.background import BackgroundTracking

_SHOW_EVERY = 0.2  # seconds


class BudgetLoop:
    """One run of the loop over a study that has begun.

    warnings: what measured data, if it is a study of parts of them, can hardly mean.
    """

    def __init__(
        self,
        spec: BudgetSpec | DataBudgetSpec,
        folder: BudgetFolder,
        grid: BudgetGrid,
        executor: Executor,
        display: Display,
        warnings: Sequence[DataWarning] = (),
    ):
        self._warnings = warnings
        self._spec, self._folder, self._grid = spec, folder, grid
        self._executor, self._display = executor, display
        self._chooser = Chooser(spec, grid) if isinstance(spec, BudgetSpec) else None
        falls = not isinstance(spec, BudgetSpec) or spec.success.falls
        self._proposer = BudgetProposer(
            folder.path,
            f"{folder.name} {folder.id}",
            grid.axes,
            "minimize" if falls else "maximize",
        )
        self._planned: list[Planned] = []
        self._told: list[ExperimentRecord] = []
        self._running: dict[int, Planned] = {}
        self._total = min(spec.experiments, len(grid.cells) * spec.draws)
        self._stopped: str | None = None
        self._shown = 0.0

    def run(self, tracking: BackgroundTracking | None) -> None:
        """Start or go on, until the answer is precise enough or the experiments are out."""
        while True:
            with uninterrupted():
                self._tell_and_ask()
            over = len(self._told) >= self._total
            self._show(now=over)
            if over:
                return
            for event in self._executor.poll():
                assert isinstance(event, ExperimentDone)
                with uninterrupted():
                    self._keep(event)
                if tracking is not None:
                    tracking.notify()
            while self._executor.notices:
                self._display.say(self._executor.notices.pop(0))

    def answer(self) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        """The answer from all finished experiments, with the tables of budgets and experiments."""
        records = list(self._folder.records())
        findings = (
            simulated_findings(self._spec, self._grid, records, self._stopped)
            if isinstance(self._spec, BudgetSpec)
            else data_findings(self._spec, self._grid, records, self._warnings)
        )
        return findings, findings["cells"], experiment_rows(records)

    def _tell_and_ask(self) -> None:
        """Tell what is finished in the order of numbers; ask for one more after each."""
        while True:
            number = len(self._planned)
            if number < self._total and len(self._told) >= self._needed(number):
                self._ask(number)
            elif len(self._told) < number and self._folder.finished(len(self._told)):
                self._tell(self._folder.record(len(self._told)))
            else:
                return

    def _needed(self, number: int) -> int:
        """How many experiments have to be told before this one is chosen."""
        return 0 if self._chooser is None else self._chooser.seen_by(number)

    def _ask(self, number: int) -> None:
        planned = self._plan(number)
        if planned is None:
            # Every budget has had every draw.
            self._total = number
            return
        if self._folder.finished(number):
            known = planned_of(self._folder.record(number), self._grid)
            if known != planned:
                raise refuse(
                    f"{self._folder.path}, experiment {number}",
                    "an experiment is there that this study would not have chosen",
                    "Bring the earlier experiments back, or begin a new study",
                )
        self._planned.append(planned)
        cell = self._grid.cells[planned.cell]
        self._proposer.ask(number, cell)
        if not self._folder.finished(number):
            self._running[number] = planned
            self._executor.submit(ExperimentToDo(number, 0, cell, planned.draw))

    def _plan(self, number: int) -> Planned | None:
        if self._chooser is None:
            # Draw after draw, so that each has all sizes.
            n_cells = len(self._grid.cells)
            return Planned(number % n_cells, number // n_cells)
        return self._chooser.choose(number, self._planned, self._told)

    def _tell(self, record: ExperimentRecord) -> None:
        self._told.append(record)
        self._proposer.tell(record.number, self._score(record), self._cost(record))
        if self._chooser is None or self._stopped is not None:
            return
        self._stopped = self._chooser.enough(self._told)
        if self._stopped is not None:
            # What is under way is brought to its end, in every run.
            self._total = min(self._total, len(self._planned))
            self._display.say(f"{self._stopped[0].upper()}{self._stopped[1:]}.")

    def _score(self, record: ExperimentRecord) -> float | None:
        if record.status == "unsolved":
            return None
        if isinstance(self._spec, BudgetSpec):
            return record.outcome[self._spec.success.measure]
        return record.outcome["CellBox"]

    def _cost(self, record: ExperimentRecord) -> float:
        if isinstance(self._spec, BudgetSpec):
            return prices_of(self._spec).cost(record.cell)
        return float(record.cell["conditions"])

    def _keep(self, done: ExperimentDone) -> None:
        planned = self._running.pop(done.trial, None)
        if planned is None:
            return
        cell = self._grid.cells[planned.cell]
        self._folder.write_experiment(
            ExperimentRecord(
                done.trial, cell, planned.draw, done.outcome, done.started, done.finished
            )
        )

    def _show(self, *, now: bool) -> None:
        if not now and time.monotonic() - self._shown < _SHOW_EVERY:
            return
        self._shown = time.monotonic()
        self._display.show(
            BudgetState(
                finished=len(self._told),
                total=self._total,
                running=len(self._running),
                workers=self._executor.n_workers,
                answer=self._so_far(),
            )
        )

    def _so_far(self) -> str | None:
        """The answer as it stands, in a few words, where there is one already."""
        return None if self._chooser is None else self._chooser.so_far
