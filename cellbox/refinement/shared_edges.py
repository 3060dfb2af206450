"""Edges of one source that a hidden node may stand for: they are in proportion to its own.

Where h acts on several nodes, W[i, j] = c · W[i, h] for most of these i is what h would do, did it
move by c x_j more. In rows whose times are late its drives can hide that, so that a selection of
single entries does not find the way: all of them have to change at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeValues

# An edge is gone where so small a share of what it was or of what was taken from it is left.
_GONE = 0.3


class Shift(NamedTuple):
    """`amount` of `source` that a hidden node takes over, and how many edges fewer that makes."""

    hidden: int
    source: int
    amount: float
    n_fewer: int

    def shifted(self, weights: EdgeValues) -> EdgeValues:
        """W after it."""
        moved = weights.copy()
        own, column = weights[:, self.hidden], weights[:, self.source]
        acted = (own != 0) & (np.arange(len(own)) != self.hidden)
        moved[acted, self.source] = _shortened(column[acted], self.amount * own[acted])
        moved[self.hidden, self.source] += self.amount
        return moved


def taken_over(weights: EdgeValues, n_shown: int, most: int) -> list[EdgeValues]:
    """W where hidden nodes stand for edges of sources: of all at once, then of single ones.

    weights: of all nodes, the hidden ones behind the `n_shown` measured ones. most: single ones.
    """
    each = shifts(weights, n_shown, len(weights) ** 2)
    every = weights
    for shift in each:
        every = shift.shifted(every)
    together = [every] if len(each) > 1 else []
    return [*together, *(shift.shifted(weights) for shift in each[:most])]


def shifts(weights: EdgeValues, n_shown: int, most: int) -> list[Shift]:
    """What makes edges fewer, those first that do most.

    weights: of all nodes, the hidden ones behind the `n_shown` measured ones.
    """
    found = []
    for hidden in range(n_shown, len(weights)):
        acted = np.flatnonzero(weights[:n_shown, hidden])
        own = weights[acted, hidden]
        for source in range(n_shown):
            column = weights[acted, source]
            options = [
                Shift(hidden, source, float(amount), _n_fewer(column, amount * own))
                for amount in np.unique(column[column != 0] / own[column != 0])
            ]
            found += sorted(options, key=lambda shift: -shift.n_fewer)[:1]
    useful = [shift for shift in found if shift.n_fewer > 0]
    return sorted(useful, key=lambda shift: -shift.n_fewer)[:most]


def _shortened(
    column: Float[np.ndarray, " n_acted"], taken: Float[np.ndarray, " n_acted"]
) -> Float[np.ndarray, " n_acted"]:
    left = column - taken
    return np.where(np.abs(left) < _GONE * np.maximum(np.abs(column), np.abs(taken)), 0.0, left)


def _n_fewer(column: Float[np.ndarray, " n_acted"], taken: Float[np.ndarray, " n_acted"]) -> int:
    return int(np.count_nonzero(column) - np.count_nonzero(_shortened(column, taken)))
