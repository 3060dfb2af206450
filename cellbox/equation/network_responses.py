"""What a known network answers to perturbations: its equation solved, NumPy in and NumPy out."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from cellbox.arrays import Perturbations, Responses, Times
from cellbox.equation.dynamics import Parameters
from cellbox.equation.forms import formed_responses
from cellbox.equation.integrate import integrate_each
from cellbox.equation.solver_settings import EXACT, SolverSettings, precision_context
from cellbox.networks.network import Network


def responses(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    solver: SolverSettings = EXACT,
    start: Perturbations | None = None,
) -> Responses:
    """The network's response (log ratio) to each perturbation at `times` (model time units).

    start: x(0) of each row (log ratio), by default 0, or that of the network's form.

    Each row is integrated by itself, so that it does not depend on the rows beside it. A row
    that the solver could not finish is NaN.
    """
    with precision_context(solver.precision):
        number = partial(jnp.asarray, dtype=solver.dtype)
        if network.form is not None:
            return formed_responses(
                network.form,
                number(network.weights),
                number(network.amplitudes),
                number(perturbations),
                number(times),
                solver,
                None if start is None else number(start),
            )
        parameters = Parameters(number(network.weights), jnp.log(number(network.amplitudes)))
        # Always given, so that every start is a matter of the same compiled program.
        from_here = number(np.zeros(np.shape(perturbations)) if start is None else start)
        states, reached = _integrate(
            parameters, number(perturbations), number(times), solver, from_here
        )
        return np.where(np.asarray(reached)[:, None, None], np.asarray(states, float), np.nan)


_integrate = partial(jax.jit, static_argnums=3)(integrate_each)
