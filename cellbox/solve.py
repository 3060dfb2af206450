"""Integrating Eq. 1: which solver, which steps, which adjoint.

All conditions of one model are one system of equations with one step size, chosen for the
condition with the largest error. That is cheaper than one integration per condition, and the
answer of a condition then depends, within the tolerance, on the conditions beside it. Implicit
solvers are the exception: their Jacobian would grow with the number of conditions, so there
each condition is integrated by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cellbox.dynamics import Parameters, velocity
from cellbox.errors import InputError, Problem

SOLVERS: dict[str, type[diffrax.AbstractSolver]] = {
    "tsit5": diffrax.Tsit5,
    "dopri5": diffrax.Dopri5,
    "dopri8": diffrax.Dopri8,
    "bosh3": diffrax.Bosh3,
    "heun": diffrax.Heun,
    "midpoint": diffrax.Midpoint,
    "ralston": diffrax.Ralston,
    "euler": diffrax.Euler,
    "kvaerno3": diffrax.Kvaerno3,
    "kvaerno5": diffrax.Kvaerno5,
}
IMPLICIT_SOLVERS = tuple(
    name for name, kind in SOLVERS.items() if issubclass(kind, diffrax.AbstractImplicitSolver)
)
ADJOINTS = ("recursive_checkpoint", "backsolve", "direct")

Precision = Literal["float32", "float64"]
PRECISIONS = get_args(Precision)

# Eq. 1 decays with time constant 1, so half of it is a safe first step; the controller adapts.
_FIRST_STEP = 0.5
# Near a steady state only stability limits an explicit step, and there rounding decides which
# steps are accepted: float32 and float64 gradients then differ by up to 1e-2. Steps that stay
# below the limit keep them within 1e-6 of each other.
_LONGEST_STEP = 2.0


@dataclass(frozen=True)
class SolverSettings:
    """How Eq. 1 is integrated and differentiated. Part of what is compiled.

    solver: a name in `SOLVERS`; "kvaerno5" for stiff networks.
    rtol, atol: tolerances of the adaptive steps; unused with a fixed `step`.
    step: a fixed step in the model's time unit, or None for adaptive steps. "euler" needs one;
        the implicit "kvaerno3" and "kvaerno5" take none.
    adjoint: "recursive_checkpoint" (exact, default), "backsolve" (the paper's family; slower
        and approximate) or "direct" (exact, for checks and fixed steps).
    max_steps: the most steps between two measurements; a model that needs more has diverged.
    precision: "float32" or "float64".
    """

    solver: str = "tsit5"
    rtol: float = 1e-3
    atol: float = 1e-6
    step: float | None = None
    adjoint: str = "recursive_checkpoint"
    max_steps: int = 256
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise InputError(problems)

    @property
    def dtype(self) -> jnp.dtype:
        """The floating type of everything computed with these settings."""
        return jnp.dtype(self.precision)


def _problems(settings: SolverSettings) -> Iterator[Problem]:
    def problem(setting: str, expected: str, fix: str) -> Problem:
        found = getattr(settings, setting)
        return Problem(f"solver setting {setting}", f"expected {expected}, found {found!r}", fix)

    choices = {"solver": tuple(SOLVERS), "adjoint": ADJOINTS, "precision": PRECISIONS}
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            yield problem(name, f"one of {', '.join(known)}", "Choose one of these")
    if settings.solver == "euler" and settings.step is None:
        yield problem("solver", "a fixed step beside euler", "Set step, for example step = 0.05")
    elif settings.step is not None and settings.solver in IMPLICIT_SOLVERS:
        # Each of their steps is itself solved to a tolerance, and rejected where that fails.
        yield problem("step", f"adaptive steps beside {settings.solver}", "Leave step out")
    for name in ("rtol", "atol"):
        if not 0 < _number(getattr(settings, name)) < 1:
            yield problem(name, "a number between 0 and 1", "Use for example 1e-3 or 1e-6")
    if settings.step is not None and not 0 < _number(settings.step) < math.inf:
        yield problem("step", "a positive step or none", "Leave it out for adaptive steps")
    if not isinstance(settings.max_steps, int) or not _number(settings.max_steps) >= 1:
        yield problem("max_steps", "a whole number, at least 1", "Use for example 256")


def _number(value: object) -> float:
    """The value if it is a number, else NaN, which lies in no range."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


#: For true trajectories: what a simulation is made with.
EXACT = SolverSettings(
    solver="dopri8", rtol=1e-10, atol=1e-12, max_steps=100_000, precision="float64"
)


@contextmanager
def precision_context(precision: Precision) -> Iterator[None]:
    """Compute in this precision inside the block, whatever JAX's global setting is."""
    with jax.enable_x64(precision == "float64"):
        yield


def integrate(
    parameters: Parameters,
    perturbations: Float[Array, "n_nodes n_conditions"],
    start: Float[Array, "n_nodes n_conditions"],
    times: Float[Array, " n_times"],
    settings: SolverSettings,
) -> tuple[Float[Array, "n_times n_nodes n_conditions"], Bool[Array, ""]]:
    """Integrate Eq. 1 from `start` at time 0 and return the states at ascending `times`.

    The second value tells whether the solver reached the last time; where it did not, the
    states are not to be used.
    """
    if settings.solver in IMPLICIT_SOLVERS:
        states, reached = jax.vmap(
            lambda u, x: _diffeqsolve(parameters, u, x, times, settings), (1, 1), (2, 0)
        )(perturbations, start)
        return states, jnp.all(reached)
    return _diffeqsolve(parameters, perturbations, start, times, settings)


def integrate_each(
    parameters: Parameters,
    perturbations: Float[Array, "n_rows n_nodes"],
    times: Float[Array, " n_times"],
    settings: SolverSettings,
) -> tuple[Float[Array, "n_rows n_times n_nodes"], Bool[Array, " n_rows"]]:
    """Integrate each row by itself from x(0) = 0, with steps of its own.

    Slower than `integrate`, but no row's answer depends on the others'. Also returns which
    rows the solver finished.
    """
    return jax.vmap(lambda u: _diffeqsolve(parameters, u, jnp.zeros_like(u), times, settings))(
        perturbations
    )


def _diffeqsolve(
    parameters: Parameters,
    perturbations: Float[Array, "n_nodes *conditions"],
    start: Float[Array, "n_nodes *conditions"],
    times: Float[Array, " n_times"],
    settings: SolverSettings,
) -> tuple[Float[Array, "n_times n_nodes *conditions"], Bool[Array, ""]]:
    only_the_end = len(times) == 1
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        _solver(settings.solver),
        t0=jnp.zeros((), start.dtype),
        t1=times[-1],
        dt0=_FIRST_STEP if settings.step is None else settings.step,
        y0=start,
        args=(parameters, perturbations),
        saveat=diffrax.SaveAt(t1=True) if only_the_end else diffrax.SaveAt(ts=times),
        stepsize_controller=_controller(settings),
        adjoint=_adjoint(settings),
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
        settings.rtol, settings.atol, dtmax=_LONGEST_STEP, norm=_worst_condition
    )


def _worst_condition(error: Float[Array, "n_nodes *conditions"]) -> Float[Array, ""]:
    """Root mean square over nodes, and of these the largest over conditions."""
    return jnp.sqrt(jnp.max(jnp.mean(error**2, axis=0)))


def _adjoint(settings: SolverSettings) -> diffrax.AbstractAdjoint:
    match settings.adjoint:
        case "backsolve":
            return diffrax.BacksolveAdjoint(
                solver=_solver(settings.solver),
                stepsize_controller=(
                    diffrax.ConstantStepSize()
                    if settings.step is not None
                    else diffrax.PIDController(settings.rtol, settings.atol, dtmax=_LONGEST_STEP)
                ),
            )
        case "direct":
            return diffrax.DirectAdjoint()
        case _:
            return diffrax.RecursiveCheckpointAdjoint()
