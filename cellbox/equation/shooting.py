"""Two ways to follow a response through its measurements, in one piece of code.

- *Single shooting* integrates the whole horizon from x(0) = 0.
- *Interval shooting* restarts each interval from the state measured at its beginning, so that an
  error early on does not spoil the rest. A missing start value continues from the model.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from cellbox.equation.dynamics import Parameters
from cellbox.equation.integrate import integrate
from cellbox.equation.solver_settings import SolverSettings
from cellbox.equation.steady_state import settle
from cellbox.equation.step_replay import follow
from cellbox.equation.traced_arrays import Courses, Flag, States, TracedTimes


def shoot(
    parameters: Parameters,
    perturbations: States,
    times: TracedTimes,
    measurements: Courses,
    restart: Flag,
    settings: SolverSettings,
) -> tuple[Courses, Flag]:
    """Predict the state at each of `times`, interval by interval.

    times: ascending; a repeated time makes an empty interval, which costs nothing.
    restart: interval shooting where true, single shooting where false.

    Also returns whether every interval was solved.
    """
    if settings.seeks_rest and len(times) == 1:
        state, _, reached = settle(parameters, perturbations, times[0], settings)
        return state[None], reached
    rest = jnp.zeros_like(perturbations)
    if settings.replays:
        restarts = jnp.where(restart, measurements, jnp.nan)
        return follow(parameters, perturbations, rest, times, restarts, settings)

    def interval(carry, slot):
        state, previous_time = carry
        time, measured = slot
        end, reached = integrate(
            parameters, perturbations, state, (time - previous_time)[None], settings
        )
        start_of_next = jnp.where(restart & jnp.isfinite(measured), measured, end[0])
        return (start_of_next, time), (end[0], reached)

    start = (rest, jnp.zeros((), perturbations.dtype))
    _, (predicted, reached) = jax.lax.scan(interval, start, (times, measurements))
    return predicted, jnp.all(reached)
