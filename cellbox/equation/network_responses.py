"""What a known network answers to perturbations: Eq. 1 solved, NumPy in and NumPy out."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cellbox.equation.dynamics import Parameters
from cellbox.equation.integrate import integrate_each
from cellbox.equation.solver_settings import EXACT, SolverSettings, precision_context
from cellbox.networks.network import Network


def responses(
    network: Network,
    perturbations: Float[np.ndarray, "n_rows n_nodes"],
    times: Float[np.ndarray, " n_times"],
    solver: SolverSettings = EXACT,
    start: Float[np.ndarray, "n_rows n_nodes"] | None = None,
) -> Float[np.ndarray, "n_rows n_times n_nodes"]:
    """The network's response (log ratio) to each perturbation at `times` (model time units).

    start: x(0) of each row (log ratio), by default 0.

    Each row is integrated by itself, so that it does not depend on the rows beside it. A row
    that the solver could not finish is NaN.
    """
    with precision_context(solver.precision):
        number = partial(jnp.asarray, dtype=solver.dtype)
        parameters = Parameters(number(network.weights), jnp.log(number(network.amplitudes)))
        # Always given, so that every start is a matter of the same compiled program.
        from_here = number(np.zeros(np.shape(perturbations)) if start is None else start)
        states, reached = _integrate(
            parameters, number(perturbations), number(times), solver, from_here
        )
        return np.where(np.asarray(reached)[:, None, None], np.asarray(states, float), np.nan)


_integrate = partial(jax.jit, static_argnums=3)(integrate_each)
