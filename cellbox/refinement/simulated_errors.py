"""Standard errors of all entries of W in a large network, without a large matrix.

Near a network that explains the data, with residuals r and derivatives J of whole time courses,

    J δ ≈ −r

is solved by least squares over every edge that may be: the step from there to the least squares of
all edges. Noise that is drawn, in place of −r, gives steps whose covariance is (Jᵀ J)⁻¹, in units
of the noise's variance (a parametric bootstrap of the linear problem, Efron & Tibshirani 1993). All
are solved side by side by conjugate gradients.

A few draws tell a variance only roughly. But the row blocks (`cellbox.refinement.whole_courses`)
tell how variances of one row of W compare; what they miss, that noise and errors come in through
the sources as well, concerns a row as a whole. So each variance is taken to be that of its block
times a factor of its row, drawn to what its own draws say as far as entries of a row differ in
that: the moderated variances of many genes with few arrays (Smyth 2004).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.equation.dynamics import Parameters
from cellbox.equation.traced_arrays import Courses
from cellbox.refinement.inverse_diagonal import inverse_diagonal
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.whole_courses import (
    LONGEST_STEP,
    RowBlocks,
    Series,
    dot,
    normal_equations,
    residuals,
    row_blocks,
)

# Draws of noise, and their seed: the same data and network have the same intervals.
N_DRAWS, _SEED = 8, 0

# Conjugate gradients end at this share of the first residual, or after so many products.
_TOLERANCE, _MOST_PRODUCTS = 1e-2, 100

# Steps that derivatives are integrated with, in the model's time unit, as long as these change no
# residual by more than this share of its size.
_LONG_STEP, _STEP_ERROR = 2 * LONGEST_STEP, 0.3

# Added to the curvature, in units of its diagonal, against rounding.
_DAMPING = 1e-9

# Freedom that stands for "no entry of a row differs from its row's factor".
_MOST_FREEDOM = 1e6


class OneStep(NamedTuple):
    """From a network to the least squares of all edges, in one step.

    weights: the step. variances: of the entries of W, for noise of variance 1; infinite where the
    row block does not determine them, 0 where an entry may not be. freedom: how many degrees of
    freedom they are known with. explained: by how much the step lowers the sum of squares.
    """

    weights: EdgeValues
    variances: EdgeValues
    freedom: float
    explained: float


def one_step(
    parameters: Parameters, problem: MultipleShooting, free: EdgeMask, variance: float
) -> OneStep:
    """The step over α and the free weights; to be called where JAX computes in float64.

    variance: of the noise, roughly. Parameters that their row block does not determine are held by
    a weak prior. Where the step cannot be computed all the same, it is 0 and determines nothing.
    """
    whole = jnp.zeros(())
    series, rough = Series.of(problem), Series.of(problem, _LONG_STEP)
    blocks = row_blocks(parameters, rough, whole)
    of_blocks = _block_variances(np.asarray(blocks.curvature), free)
    misfit = residuals(parameters, series, whole)
    # Long steps do for derivatives, but where they do not reach what short ones do.
    apart = residuals(parameters, rough, whole) - misfit
    if not float((apart**2).sum()) < _STEP_ERROR**2 * float((misfit**2).sum()):
        rough = series
    noise = jax.random.normal(jax.random.key(_SEED), (N_DRAWS, *misfit.shape), misfit.dtype)
    untold = ~np.isfinite(of_blocks)
    held = np.append(untold, untold.any(axis=1, keepdims=True), axis=1)
    diagonal = np.diagonal(np.asarray(blocks.curvature), axis1=1, axis2=2)
    # A node that never moves, and on which no edge may act, has an α that changes no response.
    added = np.where(held | (diagonal <= 0), variance, _DAMPING * diagonal)
    steps, explained = _steps(
        parameters,
        rough,
        jnp.concatenate([misfit[None], noise]),
        blocks,
        jnp.asarray(free),
        Parameters(jnp.asarray(added[:, :-1]), jnp.asarray(added[:, -1])),
    )
    drawn = np.asarray(steps.weights[1:])
    if not np.isfinite(steps.weights).all():
        undetermined = np.where(free, np.inf, 0.0)
        return OneStep(np.zeros(free.shape), undetermined, float(N_DRAWS), 0.0)
    told = free & np.isfinite(of_blocks)
    factors, freedom = moderated((drawn**2).mean(axis=0), of_blocks, told)
    return OneStep(
        np.asarray(steps.weights[0]),
        np.where(told, of_blocks * factors, np.where(free, np.inf, 0.0)),
        freedom,
        float(explained[0]),
    )


@jax.jit
def _steps(
    parameters: Parameters,
    series: Series,
    misfits: Float[Array, "n_fits n_times n_nodes n_conditions"],
    blocks: RowBlocks,
    free: Bool[Array, "n_nodes n_nodes"],
    added: Parameters,
) -> tuple[Parameters, Float[Array, " n_fits"]]:
    """The step that answers each misfit, and by how much that lowers its sum of squares.

    added: to the diagonal of the curvature.
    """
    _, slope, of_data = normal_equations(parameters, series, jnp.zeros(()), free)
    solver = blocks.solver(free, added)

    def curvature(step: Parameters) -> Parameters:
        return jax.tree.map(lambda a, b, c: a + b * c, of_data(step), added, step)

    def answer(misfit: Courses):
        downhill = slope(-misfit)
        step, _ = jax.scipy.sparse.linalg.cg(
            curvature, downhill, M=solver, tol=_TOLERANCE, maxiter=_MOST_PRODUCTS
        )
        return step, dot(downhill, step)

    return jax.vmap(answer)(misfits)


def moderated(
    drawn: Float[np.ndarray, "n_rows n_columns"],
    expected: Float[np.ndarray, "n_rows n_columns"],
    told: Bool[np.ndarray, "n_rows n_columns"],
    n_draws: int = N_DRAWS,
) -> tuple[Float[np.ndarray, "n_rows n_columns"], float]:
    """The factor that each expected variance is to be multiplied by, and its degrees of freedom.

    drawn: mean squares of n_draws draws. expected: variances, right up to a factor for each row
    and to what entries differ beside. told: where both are to be used; the factor is 1 elsewhere.

    Factors are taken to come from a scaled inverse chi-square distribution in each row, with a
    scale of the row and degrees of freedom of all; both by the moments of the logarithm (Smyth
    2004, section 6.2).
    """
    # Here, since the package promises an import that loads nothing heavy.
    from scipy.special import digamma, polygamma

    factors = np.ones(drawn.shape)
    rows = [row for row in range(len(drawn)) if told[row].any()]
    if not rows:
        return factors, float(n_draws)
    ratios = np.where(told, drawn, 1.0) / np.where(told, expected, 1.0)
    logs = np.log(ratios) - digamma(n_draws / 2) + np.log(n_draws / 2)
    centres = {row: logs[row, told[row]].mean() for row in rows}
    squares = sum(((logs[row, told[row]] - centres[row]) ** 2).sum() for row in rows)
    spread = squares / max(1, told.sum() - len(rows)) - polygamma(1, n_draws / 2)
    freedom = 2 * _inverse_trigamma(spread)
    scale_of_centre = np.exp(digamma(freedom / 2) - np.log(freedom / 2))
    for row in rows:
        own = ratios[row, told[row]]
        of_row = np.exp(centres[row]) * scale_of_centre
        factors[row, told[row]] = (freedom * of_row + n_draws * own) / (freedom + n_draws)
    return factors, float(freedom + n_draws)


def _inverse_trigamma(value: float) -> float:
    """Where the trigamma function has this value; the largest that counts where there is none."""
    from scipy.optimize import brentq
    from scipy.special import polygamma

    most, least = _MOST_FREEDOM / 2, 0.1
    if value <= polygamma(1, most):
        return most
    if value >= polygamma(1, least):
        return least
    return float(brentq(lambda at: polygamma(1, at) - value, least, most))


def _block_variances(curvature: Float[np.ndarray, "n_nodes row row"], free: EdgeMask) -> EdgeValues:
    """Of each free entry of W, with its own row and amplitude free; infinite if undetermined."""
    variances = np.zeros(free.shape)
    for row, kept in enumerate(free):
        among = np.append(np.flatnonzero(kept), len(kept))
        variances[row, kept] = inverse_diagonal(curvature[row][np.ix_(among, among)])[:-1]
    return variances
