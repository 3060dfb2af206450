"""How far each edge may lie from its estimate: intervals from the fit that keeps every edge.

A network whose edges were selected says nothing of its own uncertainty: an edge that was left out
is zero in every member of an ensemble. So intervals come from the least squares of all edges that
may be, without selection and without prior
(`cellbox.refinement.multiple_shooting`). Near its minimum

    covariance = noise² · curvature⁻¹,    noise² = sum of squares / (values − parameters),

and with the noise estimated an entry of W lies within Student's t standard errors of the estimate
(Bates & Watts 1988, chapter 2). That holds as far as the response is linear in W over the interval.

A condition that lies on a ridge between two steady states may be followed to the wrong one, from
where no small change of W leads back. Its residuals are no noise, so it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.networks.network import Network, possible_edges
from cellbox.refinement.multiple_shooting import Iterate, MultipleShooting, least_squares

# The share of intervals that hold the true value.
LEVEL = 0.9

# Directions that the data determine so much less than the best one count as not determined.
_UNDETERMINED = 1e-12

# A row whose mean square is this many times that of most rows is not explained: 5 standard
# deviations, were it a single value.
_UNEXPLAINED = 25.0
_MOST_FITS = 6


@dataclass(frozen=True, eq=False)
class EdgeIntervals:
    """Where entries of W lie, W[target, source]; infinite where the data do not tell.

    Entries that may not differ from zero are zero. n_left_out: rows that could not be explained.
    """

    low: Float[np.ndarray, "n_nodes n_nodes"]
    high: Float[np.ndarray, "n_nodes n_nodes"]
    n_left_out: int = 0


def edge_intervals(
    problem: MultipleShooting,
    start: Network,
    *,
    allowed_edges: Bool[np.ndarray, "n_nodes n_nodes"] | None = None,
    level: float = LEVEL,
) -> EdgeIntervals | None:
    """Intervals of every entry of W that may differ from zero, from the least squares near `start`.

    start: a network that explains the data roughly. allowed_edges: which entries of W may differ
    from zero; all by default. level: the share of intervals that are to hold the true value.

    None where there are not more measured values than parameters, or no network can be solved.
    """
    n_weights = problem.n_nodes**2
    allowed = possible_edges(problem.n_nodes, allowed_edges).ravel()
    free = np.concatenate([allowed, np.ones(problem.n_nodes, bool)])
    if problem.n_values <= free.sum():
        return None
    fitted, point = _explained(problem, start, free)
    total, spare = fitted.sum_of_squares(point), fitted.n_values - int(free.sum())
    if not np.isfinite(total) or spare < 1:
        return None
    errors = np.zeros(len(free))
    errors[free] = np.sqrt(total / spare * _variances(fitted.linearise(point, free).curvature))
    within = student_quantile(level, spare) * errors[:n_weights]
    estimate = np.where(allowed, point.parameters[:n_weights], 0.0)
    shape = (problem.n_nodes, problem.n_nodes)
    return EdgeIntervals(
        (estimate - within).reshape(shape),
        (estimate + within).reshape(shape),
        n_left_out=len(problem.perturbations) - len(fitted.perturbations),
    )


def _explained(
    problem: MultipleShooting, start: Network, free: Bool[np.ndarray, " n_parameters"]
) -> tuple[MultipleShooting, Iterate]:
    """The rows that the least squares explain, and their fit."""
    for _ in range(_MOST_FITS):
        point, _ = least_squares(problem, problem.point(start), free)
        misfit = _misfits(problem, point)
        # Not a number: a row that cannot be solved.
        explained = misfit <= _UNEXPLAINED * np.nanmedian(misfit)
        if explained.all() or not explained.any():
            break
        problem = _rows(problem, explained)
    return problem, point


def _misfits(problem: MultipleShooting, point: Iterate) -> Float[np.ndarray, " n_rows"]:
    """The mean square of each row, in units of the noise's variance but for a factor."""
    misfits = np.zeros(len(problem.perturbations))
    for row in range(len(misfits)):
        alone = _rows(problem, np.array([row]))
        total = alone.sum_of_squares(Iterate(point.parameters, point.states[[row]]))
        misfits[row] = total / max(1, alone.n_values)
    return misfits


def _rows(
    problem: MultipleShooting, rows: Bool[np.ndarray, " n_rows"] | Int[np.ndarray, " n_chosen"]
) -> MultipleShooting:
    """The problem of these rows alone."""
    return MultipleShooting(problem.perturbations[rows], problem.measurements[rows], problem.times)


def student_quantile(level: float, n_spare: int) -> float:
    """Half the width of the central interval that holds this share of Student's t distribution."""
    # Here, since the package promises an import that loads nothing heavy.
    from scipy.special import stdtrit

    return float(stdtrit(n_spare, (1 + level) / 2))


def _variances(
    curvature: Float[np.ndarray, "n_free n_free"],
) -> Float[np.ndarray, " n_free"]:
    """Diagonal of the inverse; infinite where a parameter is part of an undetermined direction."""
    scale = np.sqrt(np.diag(curvature))
    known = scale > 0
    scale = np.where(known, scale, 1.0)
    values, directions = np.linalg.eigh(curvature / np.outer(scale, scale))
    determined = values > _UNDETERMINED * values[-1]
    parts = directions**2
    variances = parts[:, determined] @ (1 / values[determined]) / scale**2
    lost = parts[:, ~determined].sum(axis=1) > _UNDETERMINED
    return np.where(known & ~lost, variances, np.inf)
