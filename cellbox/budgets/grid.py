"""The budgets that a study asks about: every combination of some values of its axes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

#: Where more only adds to what was measured, or less noise does: the direction that helps. More
#: perturbed nodes may saturate a response, and other time points are not those of before and some
#: more: on VSC 6 conditions at 2 times recover W better than at 3 or 5.
HELPS = {"conditions": 1, "replicates": 1, "noise": -1}

_CATEGORIES = ("spacing", "dose_levels")


@dataclass(frozen=True)
class BudgetGrid:
    """Axes with their values, and the cells between them.

    axes: the values of each axis in the order in which they are named; numbers ascend.
    """

    axes: Mapping[str, tuple[Any, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all axes."""
        return tuple(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(values) for values in self.axes.values())

    @property
    def searched(self) -> tuple[str, ...]:
        """The axes that have more than one value."""
        return tuple(name for name, values in self.axes.items() if len(values) > 1)

    @cached_property
    def cells(self) -> tuple[dict[str, Any], ...]:
        """Every combination of values, the last axis running fastest."""
        combined = itertools.product(*self.axes.values())
        return tuple(dict(zip(self.axes, values, strict=True)) for values in combined)

    def index(self, cell: Mapping[str, Any]) -> int:
        """The number of a cell. Raises KeyError where it is none of the grid."""
        return self._numbers[tuple(cell[name] for name in self.axes)]

    @cached_property
    def _numbers(self) -> dict[tuple[Any, ...], int]:
        return {tuple(cell.values()): number for number, cell in enumerate(self.cells)}

    @cached_property
    def coordinates(self) -> Float[np.ndarray, "n_cells n_coordinates"]:
        """Where cells lie: doublings of what is counted or measured, one of several for the rest.

        Each coordinate is centred; axes with one value have none.
        """
        columns: list[Float[np.ndarray, " n_cells"]] = []
        for name in self.searched:
            values = [cell[name] for cell in self.cells]
            if is_category(name):
                # Apart from one another by as much as a doubling.
                for one in self.axes[name]:
                    columns.append(np.array([value == one for value in values]) / np.sqrt(2.0))
            else:
                columns.append(np.log2(_positive(values)))
        found = np.array(columns).T.reshape(len(self.cells), len(columns))
        return found - found.mean(axis=0)

    @property
    def is_conditions(self) -> Bool[np.ndarray, " n_coordinates"]:
        """Which of the coordinates is that of the number of conditions."""
        owners = [
            name
            for name in self.searched
            for _ in (self.axes[name] if is_category(name) else (None,))
        ]
        return np.array([name == "conditions" for name in owners], bool)

    def rearranged(self, values: Float[np.ndarray, "n_draws n_cells"]) -> np.ndarray:
        """Values sorted along each axis where more helps, the more the larger.

        Of a function known to be monotone, that brings any estimate nearer, and keeps what the
        ends of intervals hold (Chernozhukov, Fernández-Val & Galichon 2009, Biometrika 96:559).
        """
        shaped = np.asarray(values, float).reshape(len(values), *self.shape)
        for place, name in enumerate(self.names, start=1):
            direction = HELPS.get(name)
            if direction is not None and shaped.shape[place] > 1:
                shaped = np.sort(shaped, axis=place)
                shaped = shaped if direction > 0 else np.flip(shaped, axis=place)
        return shaped.reshape(len(values), -1)

    def neighbours(self, number: int) -> list[tuple[str, int]]:
        """The cells one step further on an axis: its name, and the number of the cell there.

        One step further is more of what costs: a larger number, or of noise a smaller one.
        """
        place = np.unravel_index(number, self.shape)
        found = []
        for axis, name in enumerate(self.names):
            further = list(place)
            further[axis] += HELPS.get(name, 1)
            if not is_category(name) and 0 <= further[axis] < self.shape[axis]:
                found.append((name, int(np.ravel_multi_index(further, self.shape))))
        return found


def is_category(name: str) -> bool:
    """Whether the values of an axis have no order that a surface could follow."""
    return name in _CATEGORIES


def _positive(values: Sequence[float]) -> Float[np.ndarray, " n_values"]:
    """The values, zeros taken for half of the least of the others (no noise has no logarithm)."""
    numbers = np.asarray(values, float)
    least = numbers[numbers > 0].min(initial=np.inf)
    return np.where(numbers > 0, numbers, 1.0 if np.isinf(least) else least / 2)
