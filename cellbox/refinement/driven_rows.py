"""Each row of W fitted by itself, driven by courses that are held.

Of courses that follow the data, whatever parameters they are of, a node needs only those that act
on it: with x̂ held,

    dx_i/dt = α_i tanh(Σ_j W_ij x̂_j − u_i) − x_i

is one equation for one row of W and its amplitude, and what other rows are does not matter
(waveform relaxation, Lelarasmee, Ruehli & Sangiovanni-Vincentelli 1982). So each row can choose its
edges alone, one by one, of all that may be: a choice among n edges instead of n².
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cellbox.arrays import EdgeMask, EdgeValues, NodeValues
from cellbox.equation.classical_step import classical_step
from cellbox.equation.dynamics import Parameters
from cellbox.equation.traced_arrays import Scalar
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.refined import PRIOR_DEVIATION
from cellbox.refinement.row_subsets import RowQuadratic
from cellbox.refinement.row_tests import HARDLY_ANY
from cellbox.refinement.whole_courses import Series, drive_of_rows, velocity_of

# Choices of a row, each from a quadratic where the one before ended.
_CHOICES = 2

# log α of a row, which a few values may say little of.
_LARGEST_LOG_AMPLITUDE = 3.0


class RowFits(eqx.Module):
    """Sums of squares of the rows, each as a quadratic in its weights and log α, the last.

    slope: half the gradient, in squared log ratio.
    """

    curvature: Float[Array, "n_nodes row row"]
    slope: Float[Array, "n_nodes row"]
    squares: Float[Array, " n_nodes"]


@jax.jit
def row_fits(courses: Parameters, rows: Parameters, series: Series, gain: Scalar) -> RowFits:
    """How well rows explain their nodes where the courses of some parameters drive them.

    gain: how strongly these courses are drawn to what was measured.
    """
    n_nodes = len(rows.log_amplitudes)

    def of_group(total: RowFits, group: tuple[Array, Array, Array]) -> tuple[RowFits, None]:
        perturbations, measurements, measured = group
        rate = velocity_of(courses, perturbations)

        def advance(carry, step):
            driving, state, by_row, total = carry
            length, time = step
            middle = classical_step(rate, driving, length / 2)
            drive, driven = drive_of_rows(rows, middle, perturbations)
            kept = jnp.exp(-length)
            by_row = kept * by_row + (1.0 - kept) * driven
            state = kept * state + (1.0 - kept) * drive
            driving = classical_step(rate, middle, length / 2)
            there = jnp.where(time >= 0, measured[time], 0.0)
            apart = there * (state - measurements[time])
            total = jax.lax.cond(
                time >= 0,
                lambda: RowFits(
                    total.curvature + jnp.einsum("ijc,ikc,ic->ijk", by_row, by_row, there**2),
                    total.slope + jnp.einsum("ijc,ic->ij", by_row, there * apart),
                    total.squares + (apart**2).sum(axis=1),
                ),
                lambda: total,
            )
            drawn = gain * jnp.minimum(there, 1.0)
            driving = driving + drawn * (measurements[time] - driving)
            return (driving, state, by_row, total), None

        start = jnp.zeros_like(perturbations)
        nothing = jnp.zeros((n_nodes, n_nodes + 1, perturbations.shape[1]))
        steps = (series.steps, series.time_of_step)
        (_, _, _, total), _ = jax.lax.scan(advance, (start, start, nothing, total), steps)
        return total, None

    zero = RowFits(
        jnp.zeros((n_nodes, n_nodes + 1, n_nodes + 1)),
        jnp.zeros((n_nodes, n_nodes + 1)),
        jnp.zeros(n_nodes),
    )
    groups = (series.perturbations, series.measurements, series.measured)
    total, _ = jax.lax.scan(of_group, zero, groups)
    return total


@dataclass(frozen=True, eq=False)
class Terms:
    """What rows may choose, and what an edge costs them in the information criterion.

    n_values: how many values were measured of each node. price: of any edge; prices: and beside
    that, by a prior, if there is one.
    """

    allowed: EdgeMask
    n_values: Int[np.ndarray, " n_nodes"]
    price: float
    prices: EdgePrices | None = None


def choose_rows(
    courses: Parameters, series: Series, gain: Scalar, terms: Terms
) -> tuple[Parameters, EdgeMask]:
    """The edges that each row chooses by itself, beginning with the row that the courses are of.

    A row keeps the best of its choices. One whose node was not measured stays as it is.
    """
    unmeasured = terms.n_values == 0
    rows = courses
    best, lowest = _in_rows(courses), np.full(len(terms.allowed), np.inf)
    for n_made in range(_CHOICES + 1):
        fits = jax.tree.map(np.asarray, row_fits(courses, rows, series, gain))
        now = _in_rows(rows)
        if n_made > 0:
            # As many unknowns as values leave nothing, which is no merit.
            squares = np.maximum(fits.squares, 1e-12)
            criteria = terms.n_values * np.log(squares) + _costs(now[:, :-1], terms)
            better = np.isfinite(criteria) & (criteria < lowest)
            lowest = np.where(better, criteria, lowest)
            best = np.where((better & ~unmeasured)[:, None], now, best)
        if n_made < _CHOICES:
            chosen = np.stack([_chosen(fits, now, row, terms) for row in range(len(now))])
            rows = _parameters(np.where(unmeasured[:, None], now, chosen))
    return _parameters(best), (best[:, :-1] != 0) & terms.allowed


def _costs(weights: EdgeValues, terms: Terms) -> NodeValues:
    costs = terms.price * (weights != 0).sum(axis=1).astype(float)
    if terms.prices is not None:
        costs += np.where(weights != 0, terms.prices.of(weights), 0.0).sum(axis=1)
    return costs


def _row(
    fits: RowFits, rows: Float[np.ndarray, "n_nodes row"], row: int, terms: Terms
) -> RowQuadratic:
    """One row of W and its log α near some values, as a quadratic."""
    own, curvature = rows[row], np.asarray(fits.curvature[row])
    slope, squares = np.asarray(fits.slope[row]), float(fits.squares[row])
    n_values, amplitude = int(terms.n_values[row]), len(own) - 1
    variance = max(squares / max(n_values, 1), 1e-12)
    precisions = np.append(np.full(amplitude, PRIOR_DEVIATION**-2), HARDLY_ANY)
    return RowQuadratic(
        curvature=curvature + np.diag(precisions * variance),
        wanted=curvature @ own - slope,
        nothing=squares + float(own @ curvature @ own) - 2 * float(slope @ own),
        allowed=np.append(terms.allowed[row], False),
        stays=(amplitude,),
        n_values=n_values,
        most=n_values // 2,
        price=terms.price,
        surcharges=None if terms.prices is None else terms.prices.of_row(row),
    )


def _chosen(
    fits: RowFits, rows: Float[np.ndarray, "n_nodes row"], row: int, terms: Terms
) -> Float[np.ndarray, " row"]:
    """The values of the edges that pay, chosen one by one, the others 0."""
    quadratic = _row(fits, rows, row, terms)
    values = quadratic.values(quadratic.grown())
    values[-1] = np.clip(values[-1], -_LARGEST_LOG_AMPLITUDE, _LARGEST_LOG_AMPLITUDE)
    return values


def _in_rows(parameters: Parameters) -> Float[np.ndarray, "n_nodes row"]:
    weights, amplitudes = np.asarray(parameters.weights), np.asarray(parameters.log_amplitudes)
    return np.concatenate([weights, amplitudes[:, None]], axis=1)


def _parameters(rows: Float[np.ndarray, "n_nodes row"]) -> Parameters:
    return Parameters(jnp.asarray(rows[:, :-1]), jnp.asarray(rows[:, -1]))
