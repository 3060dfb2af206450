"""Exchanging one parameter for another near a minimum, where neither alone lowers the criterion.

A selection that leaves out one parameter and lets in one ends where no such step helps. With hidden
nodes that may be beside the best set: what a node does through a hidden one resembles what it would
do by itself. An exchange costs nothing in the criterion, so it is judged by the sum of squares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.refinement.edge_selection import inverse

# What the kept ones explain altogether has nothing to add.
_NOTHING_NEW = 1e-6


class Swap(NamedTuple):
    """Places of the parameters that come in and go out, and what the sum of squares falls by."""

    comes: int
    goes: int
    gain: float


def best_swaps(
    curvature: Float[np.ndarray, "n_parameters n_parameters"],
    gradient: Float[np.ndarray, " n_parameters"],
    values: Float[np.ndarray, " n_parameters"],
    kept: Bool[np.ndarray, " n_parameters"],
    removable: Bool[np.ndarray, " n_parameters"],
    most: int,
) -> list[Swap]:
    """The exchanges that lower the quadratic most, the best first; none where none does.

    curvature, gradient: over all parameters, at a minimum over the kept ones. values: there.
    """
    inside, outside = np.flatnonzero(kept), np.flatnonzero(~kept)
    covariance = inverse(curvature[np.ix_(inside, inside)])
    may_go = removable[inside]
    found = []
    for place in outside:
        with_kept = covariance @ curvature[inside, place]
        rest = curvature[place, place] - curvature[place, inside] @ with_kept
        if rest <= _NOTHING_NEW * curvature[place, place]:
            continue
        # Its own step, and how the kept ones follow.
        step = -gradient[place] / rest
        moved = values[inside] - with_kept * step
        variances = np.diag(covariance) + with_kept**2 / rest
        losses = np.where(may_go, moved**2 / variances, np.inf)
        goes = int(np.argmin(losses))
        gain = gradient[place] ** 2 / rest - losses[goes]
        if gain > 0:
            found.append(Swap(int(place), int(inside[goes]), float(gain)))
    return sorted(found, key=lambda swap: -swap.gain)[:most]
