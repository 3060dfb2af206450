"""Integrating Eq. 1.

All conditions of one model are one system of equations with one step size, chosen for the
condition with the largest error. That is cheaper than one integration per condition, and the
answer of a condition then depends, within the tolerance, on the conditions beside it. Implicit
solvers are the exception: their Jacobian would grow with the number of conditions, so there
each condition is integrated by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cellbox.equation.dynamics import Parameters, velocity
from cellbox.equation.replay_loops import FIRST_STEP, LONGEST_STEP
from cellbox.equation.solver_settings import IMPLICIT_SOLVERS, SolverSettings
from cellbox.equation.solvers import SOLVERS
from cellbox.equation.step_replay import follow
from cellbox.equation.traced_arrays import Courses, Flag, Scalar, States, TracedTimes


def integrate(
    parameters: Parameters,
    perturbations: States,
    start: States,
    times: TracedTimes,
    settings: SolverSettings,
) -> tuple[Courses, Flag]:
    """Integrate Eq. 1 from `start` at time 0 and return the states at ascending `times`.

    The second value tells whether the solver reached the last time; where it did not, the
    states are not to be used. It goes to the last time even where the settings seek rest.
    """
    if settings.replays:
        never = jnp.full((len(times), *start.shape), jnp.nan, start.dtype)
        to_the_end = replace(settings, adjoint="step_replay")
        return follow(parameters, perturbations, start, times, never, to_the_end)
    if settings.solver in IMPLICIT_SOLVERS:
        states, reached = jax.vmap(
            lambda u, x: _diffeqsolve(parameters, u, x, times, settings), (1, 1), (2, 0)
        )(perturbations, start)
        return states, jnp.all(reached)
    return _diffeqsolve(parameters, perturbations, start, times, settings)


def integrate_each(
    parameters: Parameters,
    perturbations: Float[Array, "n_rows n_nodes"],
    times: TracedTimes,
    settings: SolverSettings,
    start: Float[Array, "n_rows n_nodes"] | None = None,
) -> tuple[Float[Array, "n_rows n_times n_nodes"], Bool[Array, " n_rows"]]:
    """Integrate each row by itself, from x(0) = `start` or else 0, with steps of its own.

    Slower than `integrate`, but no row's answer depends on the others'. Also returns which
    rows the solver finished.
    """
    start = jnp.zeros_like(perturbations) if start is None else start
    if settings.replays:
        states, reached = jax.vmap(
            lambda u, x: integrate(parameters, u[:, None], x[:, None], times, settings)
        )(perturbations, start)
        return states[..., 0], reached
    return jax.vmap(lambda u, x: _diffeqsolve(parameters, u, x, times, settings))(
        perturbations, start
    )


def _diffeqsolve(
    parameters: Parameters,
    perturbations: Float[Array, "n_nodes *conditions"],
    start: Float[Array, "n_nodes *conditions"],
    times: TracedTimes,
    settings: SolverSettings,
) -> tuple[Float[Array, "n_times n_nodes *conditions"], Flag]:
    return solve(velocity, (parameters, perturbations), start, times, settings)


def solve(
    rate: Callable[..., Any],
    arguments: Any,
    start: Float[Array, "n_nodes *conditions"],
    times: TracedTimes,
    settings: SolverSettings,
) -> tuple[Float[Array, "n_times n_nodes *conditions"], Flag]:
    """Integrate a right-hand side with diffrax, and whether it was finished.

    rate: dx/dt of time, state and arguments.
    """
    only_the_end = len(times) == 1
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        _solver(settings.solver),
        t0=jnp.zeros((), start.dtype),
        t1=times[-1],
        dt0=FIRST_STEP if settings.step is None else settings.step,
        y0=start,
        args=arguments,
        saveat=diffrax.SaveAt(t1=True) if only_the_end else diffrax.SaveAt(ts=times),
        stepsize_controller=_controller(settings),
        adjoint=_adjoint(settings, several_times=not only_the_end),
        max_steps=settings.max_steps,
        throw=False,
    )
    return solution.ys, solution.result == diffrax.RESULTS.successful


@cache
def _solver(name: str) -> diffrax.AbstractSolver:
    """The solver of that name, made to keep models that are mapped side by side apart.

    Some solvers take the first stage of a step from the step before. diffrax computes it anew in
    the first step of a solve, and under `vmap` in every step of all models as soon as one of them
    is in its first step, or is idle and never leaves it. Computed in another place the stage may
    differ in its last bit, so a model's numbers would tell whether a neighbour is idle. Here the
    stage is there before the first step, so that no step is an exception.
    """
    kind = SOLVERS[name]

    class Prepared(kind):  # type: ignore[misc, valid-type]
        def init(self, terms, t0, t1, y0, args):
            state = super().init(terms, t0, t1, y0, args)
            # Without state the solver takes no stage from the step before.
            if state is None:
                return None
            return jnp.asarray(False), self.func(terms, t0, y0, args)

    Prepared.__name__ = Prepared.__qualname__ = kind.__name__
    return Prepared()


def _controller(settings: SolverSettings) -> diffrax.AbstractStepSizeController:
    if settings.step is not None:
        return diffrax.ConstantStepSize()
    return diffrax.PIDController(
        settings.rtol, settings.atol, dtmax=LONGEST_STEP, norm=_worst_condition
    )


def _worst_condition(error: Float[Array, "n_nodes *conditions"]) -> Scalar:
    """Root mean square over nodes, and of these the largest over conditions."""
    return jnp.sqrt(jnp.max(jnp.mean(error**2, axis=0)))


def _adjoint(settings: SolverSettings, *, several_times: bool) -> diffrax.AbstractAdjoint:
    match settings.adjoint:
        case "backsolve":
            return diffrax.BacksolveAdjoint(
                solver=_solver(settings.solver),
                stepsize_controller=(
                    diffrax.ConstantStepSize()
                    if settings.step is not None
                    else diffrax.PIDController(settings.rtol, settings.atol, dtmax=LONGEST_STEP)
                ),
            )
        case "direct":
            return diffrax.DirectAdjoint()
        case _:
            # In float32, with fixed steps and several times, diffrax 0.7.2 is wrong with fewer
            # checkpoints than steps (see `cellbox.equation.gradient_check`).
            return diffrax.RecursiveCheckpointAdjoint(settings.max_steps if several_times else None)
