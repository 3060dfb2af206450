"""The whole curvature of least squares through time courses, where few weights are free.

Conjugate gradients (`cellbox.refinement.whole_courses`) need hundreds of products where loops gain
and so what one weight does to distant nodes. Once it is known which weights may differ from zero,
there are few enough of them to integrate the derivative by each, S_p = ∂x/∂θ_p, beside x:

    dS_p/dt = α sech²(z) ∘ (W S_p) − S_p + ∂f/∂θ_p,    z = W x − u,

with ∂f_i/∂W_ij = α_i sech²(z_i) x_j and ∂f_i/∂log α_i = α_i tanh(z_i). Steps are those of the
courses, whose exact derivatives these are.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cellbox.arrays import EdgeMask
from cellbox.equation.classical_step import classical_step
from cellbox.equation.dynamics import Parameters
from cellbox.equation.traced_arrays import Scalar
from cellbox.refinement.whole_courses import Series

# Derivatives that are integrated at once, so that they stay near the processor, and those for whose
# multiples programs are compiled.
_AT_ONCE, _MULTIPLE = 32, 128


def curvature_of(
    parameters: Parameters, series: Series, gain: Scalar, free: EdgeMask
) -> Float[np.ndarray, "n_parameters n_parameters"]:
    """Jᵀ J, J the derivatives of the residuals by the free weights, row by row, and by log α.

    gain: how strongly the courses are drawn to what was measured.
    """
    n_nodes = len(free)
    targets, sources = np.nonzero(free)
    n_parameters = len(targets) + n_nodes
    n_more = -n_parameters % _MULTIPLE
    # What only pads belongs to no node.
    rows = np.concatenate([targets, np.arange(n_nodes), np.full(n_more, n_nodes)])
    columns = np.concatenate([sources, np.full(n_nodes + n_more, n_nodes)])
    padded = _curvature(
        parameters,
        series,
        gain,
        jnp.asarray(rows.reshape(-1, _AT_ONCE)),
        jnp.asarray(columns.reshape(-1, _AT_ONCE)),
    )
    return np.asarray(padded)[:n_parameters, :n_parameters]


@jax.jit
def _curvature(
    parameters: Parameters,
    series: Series,
    gain: Scalar,
    rows: Int[Array, "n_chunks chunk"],
    columns: Int[Array, "n_chunks chunk"],
) -> Float[Array, "n_padded n_padded"]:
    """Of parameters at these places of W; a column past the last one is the row's log α."""

    def of_group(total: Array, group: tuple[Array, Array, Array]) -> tuple[Array, None]:
        derivatives = jax.lax.map(
            lambda places: _derivatives(parameters, series, gain, group, *places), (rows, columns)
        )
        by_parameter = derivatives.reshape(rows.size, -1)
        return total + by_parameter @ by_parameter.T, None

    groups = (series.perturbations, series.measurements, series.measured)
    total, _ = jax.lax.scan(of_group, jnp.zeros((rows.size, rows.size)), groups)
    return total


def _derivatives(
    parameters: Parameters,
    series: Series,
    gain: Scalar,
    group: tuple[Array, Array, Array],
    rows: Int[Array, " chunk"],
    columns: Int[Array, " chunk"],
) -> Float[Array, "chunk n_times n_nodes group"]:
    """Of a group's residuals, by some parameters."""
    perturbations, measurements, measured = group
    n_nodes, n_conditions = perturbations.shape
    amplitudes = parameters.amplitudes[:, None]
    chunk = jnp.arange(len(rows))

    def rate(_: None, both: Array) -> Array:
        state, derivatives = both[:, 0], both[:, 1:]
        response = jnp.tanh(parameters.weights @ state - perturbations)
        slope = amplitudes * (1.0 - response**2)
        reacting = parameters.weights @ derivatives.reshape(n_nodes, -1)
        # Past the last node, reading repeats the last one and adding adds nothing.
        own = jnp.where(
            (columns < n_nodes)[:, None],
            slope[rows] * state[columns],
            (amplitudes * response)[rows],
        )
        change = slope[:, None] * reacting.reshape(derivatives.shape) - derivatives
        change = change.at[rows, chunk].add(own)
        return jnp.concatenate([(amplitudes * response - state)[:, None], change], axis=1)

    def advance(both: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
        length, time = step
        both = classical_step(rate, both, length)
        there = jnp.where(time >= 0, measured[time], 0.0)
        drawn = (gain * jnp.minimum(there, 1.0))[:, None]
        towards = jnp.zeros_like(both).at[:, 0].set(measurements[time])
        return both + drawn * (towards - both), both[:, 1:]

    start = jnp.zeros((n_nodes, 1 + len(rows), n_conditions))
    _, derivatives = jax.lax.scan(advance, start, (series.steps, series.time_of_step))
    at_times = derivatives[series.step_of_time] * measured[:, :, None]
    return jnp.moveaxis(at_times, 2, 0)
