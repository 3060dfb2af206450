"""How far each edge may lie from its estimate: intervals from the fit that keeps every edge.

A network whose edges were selected says nothing of its own uncertainty: an edge that was left out
is zero in every member of an ensemble. So intervals come from the least squares of all edges that
may be, without selection and without prior
(`cellbox.refinement.multiple_shooting`). Near its minimum

    covariance = noise² · curvature⁻¹,    noise² = sum of squares / (values − parameters),

and with the noise estimated an entry of W lies within Student's t standard errors of the estimate
(Bates & Watts 1988, chapter 2). That holds as far as the response is linear in W over the interval.

Large networks have intervals of the same meaning. There the curvature of all edges is too large to
be inverted, and the least squares of all edges to be searched: it is one step away from the network
that begins, and standard errors are those of simulated noise
(`cellbox.refinement.simulated_errors`).

A condition that lies on a ridge between two steady states may be followed to the wrong one, from
where no small change of W leads back. Its residuals are no noise, so it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeMask, EdgeValues, RowMask
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.networks.network import Network, possible_edges
from cellbox.refinement.damped_steps import least_squares
from cellbox.refinement.hidden_drives import point_with_drives
from cellbox.refinement.inverse_diagonal import inverse_diagonal
from cellbox.refinement.linearised import Iterate
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import is_large
from cellbox.refinement.simulated_errors import N_DRAWS, one_step
from cellbox.refinement.whole_courses import Series, squares_of_rows, sum_of_squares

# The share of intervals that hold the true value.
LEVEL = 0.9

# A row whose mean square is this many times that of most rows is not explained: 5 standard
# deviations, were it a single value.
_UNEXPLAINED = 25.0
_MOST_FITS = 6


@dataclass(frozen=True, eq=False)
class EdgeIntervals:
    """Where entries of W lie, W[target, source]; infinite where the data do not tell.

    Entries that may not differ from zero are zero. n_left_out: rows that could not be explained.
    n_draws: of simulated noise that the widths come from; 0 where a curvature was inverted.
    """

    low: EdgeValues
    high: EdgeValues
    n_left_out: int = 0
    n_draws: int = 0


def edge_intervals(
    problem: MultipleShooting,
    start: Network,
    *,
    allowed_edges: EdgeMask | None = None,
    level: float = LEVEL,
    widening: float = 1.0,
) -> EdgeIntervals | None:
    """Intervals of every entry of W that may differ from zero, from the least squares near `start`.

    start: a network that explains the data, in large networks one that was refined. allowed_edges:
    which entries of W may differ from zero; all by default. level: the share of intervals that are
    to hold the true value. widening: how many times larger errors are than the least squares say.

    None where there are not more measured values than parameters, or no network can be solved.
    """
    allowed = possible_edges(problem.n_shown, allowed_edges)
    if problem.n_values <= allowed.sum() + problem.n_nodes:
        return None
    estimated = _simulated if is_large(problem.n_nodes) else _inverted
    found = estimated(problem, start, allowed)
    if found is None:
        return None
    within = (
        widening * student_quantile(level, found.freedom) * np.where(allowed, found.errors, 0.0)
    )
    estimate = np.where(allowed, found.weights, 0.0)
    return EdgeIntervals(
        estimate - within, estimate + within, n_left_out=found.n_left_out, n_draws=found.n_draws
    )


class _Estimate(NamedTuple):
    """The least squares of all edges: W, standard errors, and their degrees of freedom."""

    weights: EdgeValues
    errors: EdgeValues
    freedom: float
    n_left_out: int
    n_draws: int = 0


def _inverted(problem: MultipleShooting, start: Network, allowed: EdgeMask) -> _Estimate | None:
    """By searching the least squares, and inverting its curvature."""
    problem = problem.of_form(start)
    n_nodes, shown = problem.n_nodes, np.s_[: problem.n_shown, : problem.n_shown]
    free = problem.free(allowed)
    fitted, point = _explained(problem, start, free)
    # Hidden nodes have no drives in rows that were left out.
    free = free if fitted.hidden is None else fitted.free(allowed)
    total, spare = fitted.sum_of_squares(point), fitted.n_values - int(free.sum())
    if not np.isfinite(total) or spare < 1:
        return None
    errors = np.zeros(len(free))
    errors[free] = np.sqrt(
        total / spare * inverse_diagonal(fitted.linearise(point, free).curvature)
    )
    return _Estimate(
        point.parameters[: n_nodes**2].reshape(n_nodes, n_nodes)[shown],
        errors[: n_nodes**2].reshape(n_nodes, n_nodes)[shown],
        spare,
        len(problem.perturbations) - len(fitted.perturbations),
    )


def _simulated(problem: MultipleShooting, start: Network, allowed: EdgeMask) -> _Estimate | None:
    """By one step, and by the steps that simulated noise leads to."""
    with precision_context("float64"), np.errstate(all="ignore"):
        parameters = Parameters(
            jnp.asarray(np.where(allowed, start.weights, 0.0)),
            jnp.log(jnp.asarray(start.amplitudes)),
        )
        explained = _explained_courses(problem, parameters)
        fitted = problem.rows(explained)
        total = float(sum_of_squares(parameters, Series.of(fitted), jnp.zeros(())))
        spare = fitted.n_values - int(allowed.sum()) - problem.n_nodes
        if not np.isfinite(total) or spare < 1:
            return None
        found = one_step(parameters, fitted, allowed, total / fitted.n_values)
    noise = max(total - found.explained, 0.0) / spare
    return _Estimate(
        start.weights + found.weights,
        np.sqrt(noise * found.variances),
        min(found.freedom, spare),
        int((~explained).sum()),
        N_DRAWS,
    )


def _explained_courses(problem: MultipleShooting, parameters: Parameters) -> RowMask:
    """The rows that whole courses of a network explain as well as most."""
    squares = squares_of_rows(parameters, Series.of(problem))[: len(problem.perturbations)]
    misfit = squares / np.maximum(1, problem.measured.sum(axis=(1, 2)))
    # Not a number: a row that cannot be solved.
    return misfit <= _UNEXPLAINED * np.nanmedian(misfit)


def _explained(
    problem: MultipleShooting, start: Network, free: Bool[np.ndarray, " n_parameters"]
) -> tuple[MultipleShooting, Iterate]:
    """The rows that the least squares explain, and their fit."""
    for _ in range(_MOST_FITS):
        point, _ = least_squares(problem, point_with_drives(problem, start), free)
        misfit = _misfits(problem, point)
        # Not a number: a row that cannot be solved.
        explained = misfit <= _UNEXPLAINED * np.nanmedian(misfit)
        if explained.all() or not explained.any():
            break
        problem = problem.rows(explained)
    return problem, point


def _misfits(problem: MultipleShooting, point: Iterate) -> Float[np.ndarray, " n_rows"]:
    """The mean square of each row, in units of the noise's variance but for a factor."""
    misfits = np.zeros(len(problem.perturbations))
    for row in range(len(misfits)):
        alone = problem.rows(np.array([row]))
        total = alone.sum_of_squares(Iterate(point.parameters, point.states[[row]]))
        misfits[row] = total / max(1, alone.n_values)
    return misfits


def student_quantile(level: float, n_spare: float) -> float:
    """Half the width of the central interval that holds this share of Student's t distribution."""
    # Here, since the package promises an import that loads nothing heavy.
    from scipy.special import stdtrit

    return float(stdtrit(n_spare, (1 + level) / 2))
