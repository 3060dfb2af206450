"""What training minimises: the absolute error along the response, and penalties on W."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cellbox.equation.dynamics import Parameters
from cellbox.equation.shooting import shoot
from cellbox.equation.solver_settings import SolverSettings
from cellbox.equation.traced_arrays import Flag, Scalar


def mean_absolute_error(
    predicted: Float[Array, "*shape"],
    measured: Float[Array, "*shape"],
    counted: Bool[Array, "*shape"],
    precisions: Float[Array, "*shape"] | None = None,
) -> Scalar:
    """Mean |residual| over counted values that were measured; 0 where there is none.

    precisions: what each residual counts, one over the error of its value; None where all count
    alike.
    """
    counted = counted & jnp.isfinite(measured)
    # The inner where keeps a NaN measurement out of the gradient as well as out of the sum.
    residual = jnp.where(counted, predicted - jnp.where(counted, measured, 0.0), 0.0)
    if precisions is None:
        return jnp.sum(jnp.abs(residual)) / jnp.maximum(jnp.sum(counted), 1)
    weights = jnp.where(counted, precisions, 0.0)
    total = jnp.sum(weights)
    return jnp.sum(weights * jnp.abs(residual)) / jnp.where(total > 0, total, 1)


class Minibatch(NamedTuple):
    """What one step trains on; measured values that are not counted have no part in the loss.

    precisions: one over the error of each value, None where no errors are known.
    """

    perturbations: Float[Array, "n_nodes n_conditions"]
    times: Float[Array, " n_times"]
    measurements: Float[Array, "n_times n_nodes n_conditions"]
    counted: Bool[Array, "n_times n_nodes n_conditions"]
    precisions: Float[Array, "n_times n_nodes n_conditions"] | None = None


def loss(
    parameters: Parameters, batch: Minibatch, restart: Flag, l1: Scalar, settings: SolverSettings
) -> tuple[Scalar, tuple[Scalar, Flag]]:
    """Mean absolute error + l1 · Σ|W|; beside it the error alone and whether it was solved.

    By default the gradient is the step-replay gradient of this project's own batched loop with
    diffrax's tableaus, which takes a tenth of the time; diffrax's adjoints run when named in the
    settings.
    """
    predicted, reached = shoot(
        parameters, batch.perturbations, batch.times, batch.measurements, restart, settings
    )
    error = mean_absolute_error(predicted, batch.measurements, batch.counted, batch.precisions)
    return error + l1 * jnp.sum(jnp.abs(parameters.weights)), (error, reached)
