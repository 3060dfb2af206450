"""The steady state that Eq. 1 comes to, and its derivative without the way there.

Data of one time point are most often meant as steady states, dx/dt = f(x; W, α) = 0. Where a
condition has come to rest, how it got there does not matter, and the implicit function theorem
gives the derivative from the end alone:

    dx = −J⁻¹ df,    J = ∂f/∂x = diag(α (1 − tanh²(W x − u))) W − I

Both come from one step of Newton's method at the end of the integration, x − J⁻¹ f(x; W, α), in
which only f is differentiated by W and α: its value is nearer to the steady state, and its
derivative is the one above.

Where a condition has not come to rest (it is slow, oscillates, or is on its way past an unstable
state), the implicit function theorem would be wrong; there the answer is the state at the measured
time, as with any adjoint, differentiated by replaying the steps.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float

from cellbox.arrays import Times
from cellbox.equation.dynamics import Parameters, velocity
from cellbox.equation.solver_settings import IMPLICIT_SOLVERS, SolverSettings
from cellbox.equation.step_replay import follow
from cellbox.equation.traced_arrays import Flag, Scalar, States
from cellbox.errors import refuse

# A condition rests where Newton's method puts the steady state no further away (log ratio). Less
# than most measurements err, and still in Newton's reach.
NEAR = 1e-3

# The longest step with which dopri8, the most stable of the explicit solvers, still decays.
_LONGEST_STEP = 6.0
# Up to here (decay times) too few steps are a matter of the solver, and not of the unit of time.
_FAR = 100.0


def settle(
    parameters: Parameters, perturbations: States, time: Scalar, settings: SolverSettings
) -> tuple[States, Bool[Array, " n_conditions"], Flag]:
    """The response at `time` from x(0) = 0: the steady state, of conditions that rest by then.

    The integration ends before `time` as soon as all conditions rest. At time 0, as of a lane
    that is idle, there is nothing to differentiate: all conditions count as resting, with values
    that are not to be used.

    Also returns which conditions rest, and whether the solver got to the end of all.
    """
    start = jnp.zeros_like(perturbations)
    never = jnp.full((1, *start.shape), jnp.nan, start.dtype)
    (moving,), reached = follow(parameters, perturbations, start, time[None], never, settings)
    end = lax.stop_gradient(moving)
    drift = velocity(time, end, (parameters, perturbations))
    step = jnp.linalg.solve(_jacobians(parameters, perturbations, end), -drift.T[..., None])
    near = jnp.max(jnp.abs(step), axis=(1, 2)) <= NEAR
    rests = near | (time == 0)
    return jnp.where(rests, end + step[..., 0].T, moving), rests, reached


def _jacobians(
    parameters: Parameters, perturbations: States, states: Float[Array, "n_nodes n_conditions"]
) -> Float[Array, "n_conditions n_nodes n_nodes"]:
    """∂f/∂x of each condition, as a constant."""
    weights, amplitudes = lax.stop_gradient((parameters.weights, parameters.amplitudes))
    saturation = jnp.tanh(weights @ states - perturbations)
    slopes = amplitudes[:, None] * (1 - saturation**2)
    return slopes.T[:, :, None] * weights - jnp.eye(len(weights), dtype=weights.dtype)


def check_times(settings: SolverSettings, times: Times) -> None:
    """Refuse times that the solver cannot reach, and a steady state of several times.

    A node decays in unit time, and no explicit solver here is stable with steps much longer than
    that, so that an interval of minutes or seconds would take more steps than are allowed.
    """
    longest = float(np.diff(times, prepend=0.0).max(initial=0.0))
    reach = max(_LONGEST_STEP * settings.max_steps, _FAR)
    if longest > reach and settings.solver not in IMPLICIT_SOLVERS and not settings.seeks_rest:
        raise refuse(
            "times of measurement",
            f"expected times in decay times of a node, at most {reach:g} apart for the solver "
            f"{settings.solver} with max_steps {settings.max_steps}, found {longest:g}",
            "Say how long a decay time is if these are minutes, hours or seconds (--time-unit "
            "30min, time_unit in a sweep), or raise max_steps",
        )
    if settings.seeks_rest and len(times) > 1:
        raise refuse(
            "solver setting adjoint",
            f"{settings.adjoint} is for data of one time point, a steady state, and these have "
            f"{len(times)} from {times[0]:g} to {times[-1]:g}",
            "Leave adjoint out",
        )
