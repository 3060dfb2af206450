"""Least squares through whole time courses, for networks of any size: no large matrix is formed.

Every response is integrated from x(0) = 0 by classical Runge-Kutta steps. A Gauss-Newton step

    (Jᵀ J / σ² + Λ) δ = −Jᵀ r / σ² − Λ (θ − θ₀)

for θ (W and log α), with residuals r and a penalty Λ, is solved by conjugate gradients (Hestenes &
Stiefel 1952). J, the derivatives of all measured values by all parameters, is never formed: a
product with it is one linearised integration of all conditions, a product with Jᵀ one backwards, so
that a step costs as much as some gradients. Few products suffice with a preconditioner that has one
block for each row of W and its amplitude: how a node would respond if no other reacted to it,

    dF_ij/dt = −F_ij + α_i sech²(z_i) x_j,    z = W x − u.

Far from the data whole courses lead into the next best valley. So a search may begin with courses
that are drawn to what was measured, as an observer's are (Luenberger 1964): from a measured time
they go on from x + gain · (measured − x). With a gain of 1 that is interval shooting, which noise
biases but whose valleys are wide; with a gain of 0 it is whole courses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from cellbox.equation.classical_step import classical_step
from cellbox.equation.dynamics import Parameters, velocity
from cellbox.equation.solver_settings import Precision
from cellbox.equation.traced_arrays import Courses, Scalar, States
from cellbox.networks.interventions import refuse_interventions
from cellbox.refinement.multiple_shooting import MultipleShooting

# The longest step, in the model's time unit.
LONGEST_STEP = 0.25

# Conditions whose sensitivities are held at once; programs are compiled for multiples of 8.
_GROUP, _MULTIPLE = 64, 8

# Conjugate gradients end after so many products at the latest.
_MOST_PRODUCTS = 30


class Series(eqx.Module):
    """Measured series as the integration meets them; conditions that only pad measure nothing.

    measurements: 0 where nothing was measured; measured: 0 there, else 1, or the square root of the
    value's weight.
    steps: their lengths. time_of_step: the index of the time that a step reaches, or -1.
    step_of_time: the step that reaches a time.
    """

    perturbations: Float[Array, "n_groups n_nodes group"]
    measurements: Float[Array, "n_groups n_times n_nodes group"]
    measured: Float[Array, "n_groups n_times n_nodes group"]
    steps: Float[Array, " n_steps"]
    time_of_step: Int[Array, " n_steps"]
    step_of_time: Int[Array, " n_times"]

    @classmethod
    def of(
        cls,
        problem: MultipleShooting,
        longest_step: float = LONGEST_STEP,
        precision: Precision | None = None,
    ) -> Series:
        """The same series. Raises InputError where nodes are held or doses end.

        longest_step: in the model's time unit. precision: by default what JAX computes in here.
        """
        refuse_interventions(problem.interventions, "least squares of whole courses")
        kind = jnp.result_type(float) if precision is None else precision
        n_rows = len(problem.perturbations)
        n_groups = math.ceil(n_rows / _GROUP)
        group = math.ceil(n_rows / n_groups / _MULTIPLE) * _MULTIPLE
        counts = [
            max(1, math.ceil(duration / longest_step - 1e-9))
            for duration in np.diff(problem.times, prepend=0.0)
        ]
        ends = np.cumsum(counts) - 1
        time_of_step = np.full(sum(counts), -1)
        time_of_step[ends] = np.arange(len(counts))

        def grouped(values: Float[np.ndarray, "n_rows *others"]) -> Array:
            padding = [(0, n_groups * group - n_rows)] + [(0, 0)] * (values.ndim - 1)
            padded = np.pad(values, padding)
            parts = padded.reshape(n_groups, group, *values.shape[1:])
            return jnp.asarray(np.moveaxis(parts, 1, -1), kind)

        return cls(
            perturbations=grouped(problem.perturbations),
            measurements=grouped(np.where(problem.measured, problem.measurements, 0.0)),
            measured=grouped(problem.measured * problem.root_weights),
            steps=jnp.asarray(
                np.repeat(np.diff(problem.times, prepend=0.0) / counts, counts), kind
            ),
            time_of_step=jnp.asarray(time_of_step),
            step_of_time=jnp.asarray(ends),
        )


class Penalty(eqx.Module):
    """A quadratic penalty, Σ strength · (parameter − expected)²."""

    strength: Parameters
    expected: Parameters

    def __call__(self, parameters: Parameters) -> Scalar:
        """What these parameters cost."""
        apart = jax.tree.map(jnp.subtract, parameters, self.expected)
        return dot(self.strength, jax.tree.map(jnp.square, apart))

    def pull(self, parameters: Parameters) -> Parameters:
        """Half the gradient."""
        return jax.tree.map(
            lambda strength, value, expected: strength * (value - expected),
            self.strength,
            parameters,
            self.expected,
        )


class RowBlocks(eqx.Module):
    """Fit of each row of W and its amplitude as if the states were known, the amplitude last.

    curvature: Fᵀ F, summed over what was measured of the row's node.
    """

    curvature: Float[Array, "n_nodes row row"]

    @property
    def diagonal(self) -> Parameters:
        """The curvature by each parameter alone."""
        values = jnp.diagonal(self.curvature, axis1=1, axis2=2)
        return Parameters(values[:, :-1], values[:, -1])

    def solver(self, free: Bool[Array, "n_nodes n_nodes"], added: Parameters):
        """What solves (blocks + diag(added)) x = b over the free parameters; x is 0 elsewhere."""
        among = jnp.concatenate([free, jnp.ones_like(free[:, :1])], axis=1)
        diagonal = jnp.where(among, _in_rows(added), 1.0)
        blocks = jnp.where(among[:, :, None] & among[:, None, :], self.curvature, 0.0)
        factors = jnp.linalg.cholesky(blocks + jax.vmap(jnp.diag)(diagonal))

        def solve(right: Parameters) -> Parameters:
            solved = jax.vmap(lambda factor, b: jax.scipy.linalg.cho_solve((factor, True), b))(
                factors, jnp.where(among, _in_rows(right), 0.0)
            )
            return Parameters(solved[:, :-1], solved[:, -1])

        return solve


@jax.jit
def sum_of_squares(parameters: Parameters, series: Series, gain: Scalar) -> Scalar:
    """Of measured minus predicted values, in squared log ratio; not finite if it overflows."""
    return (residuals(parameters, series, gain) ** 2).sum()


def squares_of_rows(
    parameters: Parameters, series: Series
) -> Float[np.ndarray, " n_rows_and_padding"]:
    """The sum of squares of each row's whole course, those that only pad behind them."""
    misfit = residuals(parameters, series, jnp.zeros(()))
    return np.asarray((misfit**2).sum(axis=(0, 1)))


def normal_equations(
    parameters: Parameters, series: Series, gain: Scalar, free: Bool[Array, "n_nodes n_nodes"]
) -> tuple[Array, Callable[[Array], Parameters], Callable[[Parameters], Parameters]]:
    """What least squares over α and the free weights need: residuals, and products with J and Jᵀ.

    J is the derivative of the residuals. The second value maps residuals r to Jᵀ r, the third a
    step s, 0 where a weight is not free, to Jᵀ J s; both are 0 there as well.
    """
    misfit, derivative = jax.linearize(lambda at: residuals(at, series, gain), parameters)
    transposed = jax.linear_transpose(derivative, parameters)

    def slope(apart: Array) -> Parameters:
        (through,) = transposed(apart)
        return _over_free(free, through)

    return misfit, slope, lambda step: slope(derivative(step))


def _products(
    parameters: Parameters, series: Series, gain: Scalar, free: Bool[Array, "n_nodes n_nodes"]
) -> Callable[[Parameters], Parameters]:
    """Products with Jᵀ J as `normal_equations` has them, in the precision of the series."""

    def in_precision_of(like: Array, parts: Parameters) -> Parameters:
        return jax.tree.map(lambda part: part.astype(like.dtype), parts)

    there = in_precision_of(series.steps, parameters)
    _, _, of_data = normal_equations(there, series, gain.astype(series.steps.dtype), free)
    return lambda step: in_precision_of(step.weights, of_data(in_precision_of(series.steps, step)))


def _over_free(free: Bool[Array, "n_nodes n_nodes"], values: Parameters) -> Parameters:
    return Parameters(jnp.where(free, values.weights, 0.0), values.log_amplitudes)


@partial(jax.jit, static_argnames=("most_products",))
def gauss_newton_step(
    parameters: Parameters,
    series: Series,
    gain: Scalar,
    free: Bool[Array, "n_nodes n_nodes"],
    penalty: Penalty,
    variance: Scalar,
    damping: Scalar,
    *,
    blocks: RowBlocks,
    rough: Series | None = None,
    accuracy: float | Scalar = 1e-3,
    most_products: int = _MOST_PRODUCTS,
) -> Parameters:
    """The step that lowers sum of squares / variance + penalty, over α and the free weights.

    damping: added to the curvature, in units of its diagonal (Levenberg 1944, Marquardt 1963).
    blocks: the row blocks here or nearby, which make the equations easy to solve. rough: the same
    series in longer steps, for Jᵀ J alone, which makes nearly the same step for less, and for half
    of that again where it is in float32. accuracy: the share of the first residual that the
    equations may be left with (an inexact Newton method, Dembo, Eisenstat & Steihaug 1982, does not
    need them solved well). most_products: of conjugate gradients at the latest.
    """
    misfit, slope, of_data = normal_equations(parameters, series, gain, free)
    if rough is not None:
        of_data = _products(parameters, rough, gain, free)
    blocks = RowBlocks(blocks.curvature / variance)
    added = jax.tree.map(
        lambda strength, own: strength + damping * own, penalty.strength, blocks.diagonal
    )

    def curvature(step: Parameters) -> Parameters:
        return jax.tree.map(lambda a, b, c: a / variance + b * c, of_data(step), added, step)

    downhill = jax.tree.map(
        lambda of_courses, of_penalty: -of_courses / variance - of_penalty,
        slope(misfit),
        _over_free(free, penalty.pull(parameters)),
    )
    step, _ = jax.scipy.sparse.linalg.cg(
        curvature,
        downhill,
        M=blocks.solver(free, added),
        tol=accuracy,
        maxiter=most_products,
    )
    return step


@jax.jit
def half_gradient(parameters: Parameters, series: Series, gain: Scalar) -> Parameters:
    """Half the gradient of the sum of squares."""
    return jax.grad(lambda at: sum_of_squares(at, series, gain) / 2)(parameters)


@jax.jit
def slope_and_blocks(parameters: Parameters, series: Series) -> tuple[Parameters, RowBlocks]:
    """Half the gradient of the sum of squares of whole courses, and the row blocks there."""
    whole = jnp.zeros(())
    return half_gradient(parameters, series, whole), row_blocks(parameters, series, whole)


def drive_of_rows(
    parameters: Parameters, states: States, perturbations: States
) -> tuple[States, Float[Array, "n_nodes row group"]]:
    """What drives each node, α tanh(W x − u), and its derivatives by its row of W and log α."""
    amplitudes = parameters.amplitudes[:, None]
    response = jnp.tanh(parameters.weights @ states - perturbations)
    slope = amplitudes * (1.0 - response**2)
    drive = amplitudes * response
    return drive, jnp.concatenate([slope[:, None] * states[None], drive[:, None]], axis=1)


@jax.jit
def row_blocks(parameters: Parameters, series: Series, gain: Scalar) -> RowBlocks:
    """The row blocks along the courses (see above), group by group of conditions."""
    n_nodes = len(parameters.log_amplitudes)

    def of_group(total: Array, group: tuple[Array, Array, Array]) -> tuple[Array, None]:
        perturbations, measurements, measured = group
        rate = velocity_of(parameters, perturbations)

        def advance(carry, step):
            state, by_row, total = carry
            length, time = step
            middle = classical_step(rate, state, length / 2)
            _, driven = drive_of_rows(parameters, middle, perturbations)
            kept = jnp.exp(-length)
            by_row = kept * by_row + (1.0 - kept) * driven
            state = classical_step(rate, middle, length / 2)
            there = jnp.where(time >= 0, measured[time], 0.0)
            total = jax.lax.cond(
                time >= 0,
                lambda: total + jnp.einsum("ijc,ikc,ic->ijk", by_row, by_row, there**2),
                lambda: total,
            )
            drawn = gain * jnp.minimum(there, 1.0)
            state = state + drawn * (measurements[time] - state)
            return (state, by_row * (1.0 - drawn)[:, None], total), None

        start = jnp.zeros_like(perturbations)
        nothing = jnp.zeros((n_nodes, n_nodes + 1, perturbations.shape[1]))
        steps = (series.steps, series.time_of_step)
        (_, _, total), _ = jax.lax.scan(advance, (start, nothing, total), steps)
        return total, None

    zero = jnp.zeros((n_nodes, n_nodes + 1, n_nodes + 1))
    groups = (series.perturbations, series.measurements, series.measured)
    total, _ = jax.lax.scan(of_group, zero, groups)
    return RowBlocks(total)


@jax.jit
def residuals(parameters: Parameters, series: Series, gain: Scalar) -> Courses:
    """Predicted minus measured values, 0 where nothing was measured."""
    side_by_side = [
        jnp.concatenate(list(values), axis=-1)
        for values in (series.perturbations, series.measurements, series.measured)
    ]
    perturbations, measurements, measured = side_by_side
    rate = velocity_of(parameters, perturbations)

    def advance(state: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        length, time = step
        state = classical_step(rate, state, length)
        drawn = gain * jnp.minimum(jnp.where(time >= 0, measured[time], 0.0), 1.0)
        return state + drawn * (measurements[time] - state), state

    start = jnp.zeros_like(perturbations)
    _, states = jax.lax.scan(advance, start, (series.steps, series.time_of_step))
    return measured * (states[series.step_of_time] - measurements)


def velocity_of(parameters: Parameters, perturbations: States) -> Callable[[Any, Array], Array]:
    """Eq. 1 as steps along a grid need it."""
    return lambda _, state: velocity(0.0, state, (parameters, perturbations))


def _in_rows(parameters: Parameters) -> Float[Array, "n_nodes row"]:
    """Each row of W with its amplitude behind it."""
    return jnp.concatenate([parameters.weights, parameters.log_amplitudes[:, None]], axis=1)


def dot(one: Parameters, other: Parameters) -> Scalar:
    """The scalar product."""
    return (one.weights * other.weights).sum() + (one.log_amplitudes * other.log_amplitudes).sum()
