"""Which edges the data ask for, judged near a fit where its sum of squares is a quadratic.

Edges are left out one by one, always the one whose loss costs the least (its Wald statistic), and
the network is kept that has the smallest Bayesian information criterion (Schwarz 1978)

    n_values · log(sum of squares / n_values) + log(n_values) · n_parameters.

Then edges outside are asked whether one of them would lower it again (a score test).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.refinement.edge_prices import Surcharges


def information_criterion(sum_of_squares: float, n_values: int, n_parameters: float) -> float:
    """The Bayesian information criterion of a fit with Gaussian noise of unknown size."""
    if not sum_of_squares > 0:
        return -math.inf
    return n_values * math.log(sum_of_squares / n_values) + price_of(n_values, n_parameters)


def price_of(n_values: int, n_parameters: float) -> float:
    """What parameters cost in the Bayesian information criterion."""
    return math.log(n_values) * n_parameters


class Minimum(NamedTuple):
    """A sum of squares near its minimum, as a quadratic in the parameters.

    curvature: positive definite. sum_of_squares: at the minimum. n_values: how many squares.
    """

    curvature: Float[np.ndarray, "n_parameters n_parameters"]
    sum_of_squares: float
    n_values: int


def leave_out(
    minimum: Minimum,
    parameters: Float[np.ndarray, " n_parameters"],
    removable: Bool[np.ndarray, " n_parameters"],
    *,
    fewest: int = 0,
    surcharges: Surcharges | None = None,
) -> tuple[Bool[np.ndarray, " n_parameters"], Float[np.ndarray, " n_parameters"]]:
    """Which of the fitted parameters to keep, and the others' values where the rest is zero.

    parameters: at the minimum. removable: which may be left out. fewest: how many
    parameters to keep at least. surcharges: what parameters cost beside log(n_values); None for
    nothing.
    """
    covariance, n_values = inverse(minimum.curvature), minimum.n_values
    values, kept = parameters.copy(), np.ones(len(parameters), bool)
    total = minimum.sum_of_squares
    first = information_criterion(total, n_values, len(kept))
    if surcharges is not None:
        first += float(surcharges.of(values).sum())
    best = first, kept.copy(), values.copy()
    for n_left in range(len(kept) - 1, max(fewest, (~removable).sum()) - 1, -1):
        loss = np.full(len(kept), np.inf)
        open_ = kept & removable
        loss[open_] = values[open_] ** 2 / np.diag(covariance)[open_]
        out = int(np.argmin(_risen(loss, total, n_values, values, surcharges)))
        total += loss[out]
        # Conditioning a Gaussian on one of its coordinates.
        column = covariance[:, out] / covariance[out, out]
        values = values - column * values[out]
        covariance = covariance - np.outer(column, covariance[out])
        kept[out], values[out] = False, 0.0
        score = information_criterion(total, n_values, n_left)
        if surcharges is not None:
            score += float(surcharges.of(values)[kept].sum())
        if score < best[0]:
            best = score, kept.copy(), values.copy()
    return best[1], best[2]


def _risen(
    loss: Float[np.ndarray, " n_parameters"],
    total: float,
    n_values: int,
    values: Float[np.ndarray, " n_parameters"],
    surcharges: Surcharges | None,
) -> Float[np.ndarray, " n_parameters"]:
    """What orders parameters by how much the criterion rises where one is left out.

    loss: what the sum of squares rises by then.
    """
    if surcharges is None:
        return loss
    return n_values * np.log1p(loss / total) - surcharges.of(values)


def inverse(
    curvature: Float[np.ndarray, "n_parameters n_parameters"],
) -> Float[np.ndarray, "n_parameters n_parameters"]:
    """The inverse of a curvature, of which some directions may be known only by rounding."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(curvature), 1e-300))
    scaled = scale[:, None] * curvature * scale
    return scale[:, None] * np.linalg.inv(scaled + 1e-12 * np.eye(len(scale))) * scale


def missing_edge(
    minimum: Minimum,
    gradient: Float[np.ndarray, " n_parameters"],
    kept: Bool[np.ndarray, " n_parameters"],
    surcharges: Surcharges | None = None,
) -> int | None:
    """The one parameter outside that would lower the information criterion most, or None.

    minimum: over the kept ones. Its curvature and the gradient are over all parameters.
    surcharges: what parameters cost beside log(n_values).
    """
    asked = np.flatnonzero(~kept)
    if not len(asked):
        return None
    curvature = minimum.curvature
    among = curvature[np.ix_(kept, asked)]
    explained = np.einsum("ka,ka->a", among, np.linalg.solve(curvature[np.ix_(kept, kept)], among))
    own = np.diag(curvature)[asked]
    rest = own - explained
    # What the kept ones explain altogether has nothing to add.
    gains = np.where(rest > 1e-9 * own, gradient[asked] ** 2 / np.maximum(rest, 1e-300), 0.0)
    now = information_criterion(minimum.sum_of_squares, minimum.n_values, 0)
    if surcharges is None:
        best, extra = int(np.argmax(gains)), 0.0
    else:
        # An edge is let in with the sign that the slope asks for.
        of_each = surcharges.among(~kept).of(-gradient[asked])
        left = np.maximum(minimum.sum_of_squares - gains, 1e-300)
        best = int(np.argmin(minimum.n_values * np.log(left) + of_each))
        extra = float(of_each[best])
    left_by_best = minimum.sum_of_squares - gains[best]
    then = information_criterion(left_by_best, minimum.n_values, 1) + extra
    return int(asked[best]) if then < now else None
