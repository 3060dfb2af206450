"""Which experiment comes next: follows from its number and from those told before, alone.

Experiment n is chosen when all but the last `in_flight` − 1 before it have been told, in their
order. So a study is the same whatever the number of workers and whoever was stopped meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cellbox.budgets.answers import Economy, design_in_words
from cellbox.budgets.choosing import Taken, spread_out, where_unsure
from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.surfaces import Tried, success_surface
from search.budget.sources import limits_of, prices_of
from search.report.cells import percent
from search.spec.budget_tables import BudgetSpec
from search.study.budget_folder import ExperimentRecord

# Samples of the surface while the study goes on; more would tell little more.
_SAMPLES = 200

# A longer history is looked at anew after every so many experiments.
_SHORT, _STEP = 12, 4

# Where no affordable design has this chance of being good enough, there is none.
_HOPELESS = 0.02


class Planned(NamedTuple):
    """An experiment that was chosen: the number of its cell, and its draw."""

    cell: int
    draw: int


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What experiments say, by the success that a study asks for."""

    spec: BudgetSpec
    grid: BudgetGrid

    def tried(self, records: Sequence[ExperimentRecord]) -> Tried:
        """The experiments that say something, as successes and failures."""
        said = [record for record in records if record.status != "unsolved"]
        success = self.spec.success
        return Tried.of(
            [self.grid.index(record.cell) for record in said],
            [record.draw for record in said],
            [float(success.reached(record.outcome[success.measure])) for record in said],
        )

    def economy(self, records: Sequence[ExperimentRecord], n_samples: int = 400) -> Economy:
        """What these experiments say of all budgets."""
        prices, limits = prices_of(self.spec), limits_of(self.spec)
        return Economy(
            self.grid,
            success_surface(
                self.grid, self.tried(records), n_samples=n_samples, seed=self.spec.seed
            ),
            costs=np.array([prices.cost(cell) for cell in self.grid.cells]),
            affordable=np.array([limits.allow(cell, prices) for cell in self.grid.cells]),
            share=self.spec.success.share,
        )


class Chooser:
    """Chooses the experiments of a study of simulated truths."""

    def __init__(self, spec: BudgetSpec, grid: BudgetGrid):
        self._spec, self._grid = spec, grid
        self._verdicts = Verdicts(spec, grid)
        self._cells: list[dict[str, Any]] = [dict(cell) for cell in grid.cells]
        self._known: tuple[int, Economy] | None = None

    def seen_by(self, number: int) -> int:
        """How many experiments, the first ones, are told when this one is chosen."""
        return max(0, number - self._spec.choosing.in_flight + 1)

    def choose(
        self, number: int, planned: Sequence[Planned], told: Sequence[ExperimentRecord]
    ) -> Planned | None:
        """The experiment of this number; None where every budget has had every draw.

        planned: all experiments before it. told: the records of the first ones of these, at least
        as many as `seen_by` says.
        """
        seen = self.seen_by(number)
        taken = self._taken(planned, seen)
        if not taken.free.any():
            return None
        cell = self._cell(number, taken, told[:seen])
        return None if cell is None else Planned(cell, self._draw(number, cell, planned))

    def enough(self, told: Sequence[ExperimentRecord]) -> str | None:
        """Why these experiments are enough, in words; None where they are not."""
        choosing = self._spec.choosing
        stops = choosing.name == "unsure" and choosing.interval > 0
        if not stops or len(told) < choosing.fewest or len(told) % _STEP:
            return None
        economy = self._economy(told)
        cheapest = economy.cheapest()
        if cheapest.width() <= choosing.interval:
            known = f"the cost is known to within {percent(choosing.interval)}"
            return f"{known} after {len(told)} experiments"
        if len(told) >= 2 * choosing.fewest and economy.chance_good.max() < _HOPELESS:
            return f"after {len(told)} experiments it is clear that no affordable design is enough"
        return None

    @property
    def so_far(self) -> str | None:
        """The answer as it stands, in a few words; None before there is any."""
        if self._known is None:
            return None
        cheapest = self._known[1].cheapest()
        if cheapest.cell is None:
            return "no design is good enough so far"
        words = design_in_words(self._grid.cells[cheapest.cell], self._grid.searched)
        high = "?" if cheapest.high is None else f"{cheapest.high:g}"
        return f"so far {words}, cost {cheapest.cost:g} [{cheapest.low:g}, {high}]"

    def _cell(self, number: int, taken: Taken, told: Sequence[ExperimentRecord]) -> int | None:
        name, n_cells = self._spec.choosing.name, len(self._cells)
        if name == "grid":
            return number % n_cells
        if name == "random":
            random = np.random.default_rng([self._spec.seed, number])
            return int(random.choice(np.flatnonzero(taken.free)))
        if not told:
            return spread_out(self._grid, number)
        economy = self._economy(told)
        return where_unsure(economy, taken, number)

    def _economy(self, told: Sequence[ExperimentRecord]) -> Economy:
        count = len(told) if len(told) <= _SHORT else len(told) - len(told) % _STEP
        if self._known is None or self._known[0] != count:
            self._known = count, self._verdicts.economy(told[:count], _SAMPLES)
        return self._known[1]

    def _taken(self, planned: Sequence[Planned], seen: int) -> Taken:
        counts = [
            np.bincount([one.cell for one in part], minlength=len(self._cells))
            for part in (planned[:seen], planned[seen:])
        ]
        return Taken(counts[0], counts[1], self._spec.draws)

    def _draw(self, number: int, cell: int, planned: Sequence[Planned]) -> int:
        """A draw that this cell has not had: such that all draws come up about as often."""
        draws = self._spec.draws
        used = {one.draw for one in planned if one.cell == cell}
        first = number // len(self._cells) if self._spec.choosing.name == "grid" else number
        return next(d for d in ((first + k) % draws for k in range(draws)) if d not in used)


def planned_of(record: ExperimentRecord, grid: BudgetGrid) -> Planned:
    """What was planned of an experiment that is finished."""
    return Planned(grid.index(record.cell), record.draw)
