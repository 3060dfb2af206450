"""Which budget to try next: where the answer is unsure, and where the surface is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cellbox.budgets.answers import Economy
from cellbox.budgets.grid import BudgetGrid

# Below this nothing that an experiment shows would change the answer.
_NOTHING = 1e-3


@dataclass(frozen=True, eq=False)
class Taken:
    """What has been tried or is under way at each cell.

    told: experiments whose outcome the surface knows. under_way: others. most: experiments that one
    cell can have, since each has its own draw.
    """

    told: Int[np.ndarray, " n_cells"]
    under_way: Int[np.ndarray, " n_cells"]
    most: int

    @property
    def free(self) -> np.ndarray:
        """Cells that can have one more."""
        return self.told + self.under_way < self.most


def spread_out(grid: BudgetGrid, number: int) -> int:
    """The cell of one of the first experiments, before anything is known.

    The middle, and then always the cell that is farthest from those before.
    """
    x = grid.coordinates
    apart = (x**2).sum(axis=1)
    chosen = int(np.argmin(apart))
    nearest = np.full(len(x), np.inf)
    for _ in range(number % len(x)):
        nearest = np.minimum(nearest, ((x - x[chosen]) ** 2).sum(axis=1))
        nearest[chosen] = -1.0
        chosen = int(np.argmax(nearest))
    return chosen


def where_unsure(economy: Economy, taken: Taken, number: int) -> int | None:
    """The cell of the next experiment by what is known so far; None where all are used up.

    Every other experiment goes where it may change the answer: to a design of which it is not
    known whether it is good enough, and which would be the cheapest. The others go where the
    probability of success is least known.
    """
    free = taken.free
    if not free.any():
        return None
    # What is under way will tell before this experiment does.
    discount = 1.0 / (1.0 + taken.under_way)
    spread = economy.success.deviation * discount
    if number % 2 == 0:
        decides = _decides(economy) * discount
        if decides[free].max(initial=0.0) > _NOTHING:
            return _first_best(decides, free)
    return _first_best(spread, free)


def _decides(economy: Economy) -> Float[np.ndarray, " n_cells"]:
    """How much the answer hangs on each cell: unsure whether it is good, and cheap if it is."""
    chance = economy.chance_good
    conceivable = (economy.costs <= economy.cheapest_costs[:, None]).mean(axis=0)
    return chance * (1 - chance) * conceivable * economy.affordable


def _first_best(worth: Float[np.ndarray, " n_cells"], free: np.ndarray) -> int:
    return int(np.argmax(np.where(free, worth, -np.inf)))
