"""What a surface of success says: the cheapest design that is good enough, and what more buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.surfaces import Surface


@dataclass(frozen=True)
class CheapestDesign:
    """The cheapest design that succeeds often enough, and how sure that is.

    cell: its number, None where no affordable design is expected to. cost: of it.
    low, high: hold, with the interval's probability, the cost of the design that is the cheapest in
        truth; high is None where there may be none.
    probability: with which it succeeds, with an interval. sure: how probable it is that this
        design is good enough.
    """

    cell: int | None
    cost: float | None
    low: float | None
    high: float | None
    probability: tuple[float, float, float] | None
    sure: float

    def width(self) -> float:
        """Width of the cost's interval as a share of the cost; infinite where it is open."""
        if self.cost is None or self.low is None or self.high is None:
            return float("inf")
        return (self.high - self.low) / max(self.cost, 1e-12)


@dataclass(frozen=True, eq=False)
class Economy:
    """Success, costs and limits of every cell; `share`: how often success is wanted."""

    grid: BudgetGrid
    success: Surface
    costs: Float[np.ndarray, " n_cells"]
    affordable: Bool[np.ndarray, " n_cells"]
    share: float
    level: float = 0.9

    @cached_property
    def good(self) -> Bool[np.ndarray, "n_samples n_cells"]:
        """In each draw of the surface, which affordable designs succeed often enough."""
        return (self.success.samples >= self.share) & self.affordable

    @cached_property
    def chance_good(self) -> Float[np.ndarray, " n_cells"]:
        """How probable it is that each design is good enough."""
        return self.good.mean(axis=0)

    @cached_property
    def cheapest_costs(self) -> Float[np.ndarray, " n_samples"]:
        """In each draw of the surface, the cost of the cheapest good design; infinite for none."""
        return np.where(self.good, self.costs, np.inf).min(axis=1, initial=np.inf)

    def cheapest(self) -> CheapestDesign:
        """The cheapest design that is more probably good enough than not."""
        tail = (1 - self.level) / 2
        # No interpolation: between a cost and infinity there is none.
        low, high = np.quantile(
            self.cheapest_costs, [tail, 1 - tail], method="inverted_cdf"
        ).tolist()
        candidates = np.flatnonzero(self.chance_good > 0.5)
        if not len(candidates):
            return CheapestDesign(None, None, _finite(low), None, None, 0.0)
        # Of equally cheap ones the one that is the surest.
        order = np.lexsort((-self.chance_good[candidates], self.costs[candidates]))
        cell = int(candidates[order[0]])
        cost = float(self.costs[cell])
        return CheapestDesign(
            cell,
            cost,
            min(low, cost),
            _finite(max(high, cost)),
            self.probability(cell),
            float(self.chance_good[cell]),
        )

    def probability(self, cell: int) -> tuple[float, float, float]:
        """With which a design succeeds, and the ends of its interval."""
        low, high = self.success.interval(self.level)[:, cell]
        return float(self.success.median[cell]), float(low), float(high)

    def nearest(self) -> int | None:
        """The affordable design that succeeds most often; None where nothing is affordable."""
        if not self.affordable.any():
            return None
        return int(np.argmax(np.where(self.affordable, self.success.median, -1.0)))

    def front(self) -> Int[np.ndarray, " n_front"]:
        """Affordable designs than which none is cheaper and succeeds as often, by cost."""
        best, found = -np.inf, []
        numbers = np.flatnonzero(self.affordable)
        for cell in numbers[np.lexsort((-self.success.median[numbers], self.costs[numbers]))]:
            # Half a percent is no difference that anyone would pay for.
            if self.success.median[cell] > best + 0.005:
                best = self.success.median[cell]
                found.append(cell)
        return np.array(found, int)

    def gains(self, cell: int) -> list[dict[str, Any]]:
        """What one step on each axis brings from here, by what a unit of cost buys of it.

        cost: of the step. gain, low, high: of the probability of success, with its interval.
        per_cost: gain for each unit of cost; None where the step costs nothing.
        """
        found = []
        tail = (1 - self.level) / 2
        for axis, further in self.grid.neighbours(cell):
            more = self.success.samples[:, further] - self.success.samples[:, cell]
            low, high = np.quantile(more, [tail, 1 - tail])
            cost = float(self.costs[further] - self.costs[cell])
            found.append(
                {
                    "axis": axis,
                    "from": self.grid.cells[cell][axis],
                    "to": self.grid.cells[further][axis],
                    "cost": cost,
                    "gain": float(more.mean()),
                    "low": float(low),
                    "high": float(high),
                    "per_cost": float(more.mean()) / cost if cost > 0 else None,
                    "affordable": bool(self.affordable[further]),
                }
            )
        return sorted(found, key=lambda one: -(one["per_cost"] or 0.0))


def design_in_words(cell: Mapping[str, Any], searched: tuple[str, ...] = ()) -> str:
    """A budget as people say it: "14 conditions of 2 nodes at 3 times".

    searched: axes that are named whatever their value; others only where they are unusual.
    """
    count = cell["conditions"]
    words = f"{count} condition{'s' if count != 1 else ''}"
    if "perturbed_nodes" in cell:
        nodes = cell["perturbed_nodes"]
        words += f" of {nodes} node{'s' if nodes != 1 else ''}"
    if "time_points" in cell:
        times = cell["time_points"]
        spacing = cell.get("spacing", "even")
        kind = f" {spacing}" if "spacing" in searched or spacing != "even" else ""
        words += f" at {times}{kind} time{'s' if times != 1 else ''}"
    if "horizon" in searched:
        words += f" up to {cell['horizon']:g}"
    if cell.get("replicates", 1) != 1 or "replicates" in searched:
        words += f", {cell['replicates']} replicate{'s' if cell['replicates'] != 1 else ''}"
    if "dose_levels" in searched:
        levels = cell["dose_levels"]
        words += f", {levels} dose levels" if levels else ", any dose"
    if "noise" in searched:
        words += f", noise {cell['noise']:g}"
    if "nodes" in cell and "nodes" in searched:
        words += f", {cell['nodes']} nodes"
    return words


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
