"""A check that gradients are right before anything is trained with them.

Some combinations of solver, adjoint, step and precision return wrong gradients without any
error. In float32, diffrax 0.7.2's recursive checkpointing is off by a fifth where three things come
together: a fixed step, several times saved in one solve (`SaveAt(ts=...)`), and fewer checkpoints
than steps, as is its default. With a checkpoint for each step, or one time, it is right. So the
gradient of a small probe is compared with float64 forward mode at the same tolerances, once for
each combination.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from cellbox.equation.dynamics import Parameters, velocity
from cellbox.equation.lane_layouts import LARGEST_LANES_LAST
from cellbox.equation.shooting import shoot
from cellbox.equation.solver_settings import Precision, SolverSettings, precision_context
from cellbox.equation.solvers import SOLVERS
from cellbox.equation.steady_state import check_times
from cellbox.equation.step_replay import accepted_steps
from cellbox.errors import refuse
from cellbox.storage.cache import remembered

_TOLERANCE = 1e-3
_BACKSOLVE_TOLERANCE = 1e-2

# By this time the probe rests, and so does the derivative of its response; with this many steps
# even short fixed ones get there.
_LONG_TIME = 60.0
_MANY_STEPS = 4096

# Numbers of steps are rounded up to a multiple of this.
_ROUND_STEPS = 32

# A small loop with both signs, self-activation and unequal amplitudes: every kind of term.
_WEIGHTS = np.array([[0.0, -1.1, 0.0], [1.2, 0.5, 0.3], [0.0, 0.8, -0.4]])
_AMPLITUDES = np.array([1.0, 0.6, 0.8])
_FLAT = np.concatenate([_WEIGHTS.ravel(), np.log(_AMPLITUDES)])
# Several probes of three nodes and two conditions: where rounding makes one float32 solve accept
# a step that float64 rejects, that probe differs by the discretisation error, though nothing is
# wrong. A wrong gradient shows in all of them.
_PERTURBATIONS = np.random.default_rng(0).uniform(-1, 1, (5, 3, 2))


def check_gradient(
    solver: SolverSettings, times: Float[np.ndarray, " n_times"], n_nodes: int
) -> float:
    """Refuse a solver whose gradients are wrong over these measurement times.

    times: when the data were measured, ascending. Both the intervals between them and the
    whole horizon in one piece are tried. n_nodes: of the network; large ones are computed in
    another layout. The result is remembered, within the process and in
    the user's cache folder, so only the first use of a combination pays for it.

    Returns the relative error, or raises InputError with it.
    """
    check_times(solver, times)
    _refuse_too_many_steps(solver, times)
    # The probe goes through longer intervals, and through the whole horizon in one.
    probed = replace(solver, max_steps=solver.max_steps * len(times))
    few = _few(tuple(float(time) for time in times))
    error = _known_error(probed, few, large=n_nodes > LARGEST_LANES_LAST)
    allowed = _BACKSOLVE_TOLERANCE if solver.adjoint == "backsolve" else _TOLERANCE
    if error <= allowed:
        return error
    step = "adaptive steps" if solver.step is None else f"a fixed step of {solver.step:g}"
    tried = (
        f"{solver.solver} with {step}, adjoint {solver.adjoint}, {solver.precision}, "
        f"over a horizon of {times[-1]:g}"
    )
    if np.isnan(error):
        raise refuse(
            "solver settings",
            f"{tried} did not reach the end of a small probe within {probed.max_steps} steps",
            "Give times in a larger unit (a response settles within a few units of time), use "
            "larger or adaptive steps, or raise max_steps",
        )
    raise refuse(
        "solver settings",
        f"the gradient of {tried} differs by {error:.2g} from float64 forward mode, and at "
        f"most {allowed:g} is accepted",
        "Use adaptive steps with a smaller rtol, another step, the adjoint direct, or "
        "precision float64",
    )


def _refuse_too_many_steps(solver: SolverSettings, times: Float[np.ndarray, " n_times"]) -> None:
    """Refuse a fixed step so short that it does not get from one measurement to the next."""
    if solver.step is None:
        return
    needed = int(np.ceil(np.diff(times, prepend=0.0).max() / solver.step - 1e-6))
    if needed > solver.max_steps:
        raise refuse(
            "solver settings",
            f"a fixed step of {solver.step:g} needs {needed} steps between two measurements, and "
            f"max_steps is {solver.max_steps}",
            f"Use a longer or adaptive step, or raise max_steps to {needed}",
        )


def _few(times: tuple[float, ...], most: int = 5) -> tuple[float, ...]:
    """At most `most` of the times, spread over all and including the last."""
    chosen = np.unique(np.linspace(0, len(times) - 1, most).round().astype(int))
    return tuple(times[index] for index in chosen)


@lru_cache(maxsize=256)
def _known_error(solver: SolverSettings, times: tuple[float, ...], *, large: bool) -> float:
    key = _key(solver, times, large)
    return remembered("gradient_checks.json", key, lambda: gradient_error(solver, times, large))


def _key(solver: SolverSettings, times: tuple[float, ...], large: bool) -> str:
    device = jax.devices()[0].device_kind
    versions = (jax.__version__, diffrax.__version__, _code())
    return repr((astuple(solver), times, large, device, *versions))


@cache
def _code() -> str:
    """A digest of the code that a result holds for: all of this room."""
    digest = sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def gradient_error(solver: SolverSettings, times: tuple[float, ...], large: bool = False) -> float:
    """Relative error of gradients against float64 forward mode; NaN where a solve fails.

    The median over probes of the larger of two errors: through intervals, and in one piece.
    large: whether idle nodes are added until the layout of large networks is used.

    The adjoint steady_state is compared with the gradient of a long integration; and since it
    replays steps where a response does not rest, these are checked as well.
    """
    if solver.seeks_rest:
        replaying = replace(solver, adjoint="step_replay")
        long = replace(solver, max_steps=max(_MANY_STEPS, solver.max_steps))
        errors = gradient_error(replaying, times, large), _error(long, (_LONG_TIME,), large)
        return float(np.max(errors))
    return _error(solver, times, large)


def _error(solver: SolverSettings, times: tuple[float, ...], large: bool) -> float:
    n_nodes = LARGEST_LANES_LAST + 1 if large else len(_WEIGHTS)
    grids = np.zeros((2, len(times)))
    grids[0] = times
    grids[1, -1] = times[-1]
    found = _gradient(solver, grids, jax.grad, solver.precision, n_nodes)
    if solver.replays:
        exact = _gradient_along_steps(solver, grids, n_nodes)
    else:
        # Forward mode needs a bounded loop, which is what the direct adjoint unrolls into.
        direct = replace(solver, adjoint="direct", precision="float64")
        exact = _gradient(direct, grids, jax.jacfwd, "float64", n_nodes)
    errors = np.linalg.norm(found - exact, axis=-1) / np.linalg.norm(exact, axis=-1)
    return float(np.median(errors.max(axis=1)))


def _gradient(
    solver: SolverSettings,
    grids: np.ndarray,
    differentiate: Callable,
    precision: Precision,
    n_nodes: int,
) -> Float[np.ndarray, "n_probes n_grids n_parameters"]:
    """Gradient of a smooth function of each probe's response, for each grid of times."""
    with precision_context(precision):
        given = (_FLAT, _perturbations(n_nodes), grids)
        arguments = (jnp.asarray(values, precision) for values in given)
        gradient = _gradient_program(solver, differentiate, precision, n_nodes)
        return np.asarray(gradient(*arguments), np.float64)


# Programs are made once, since other times of the same number are a matter of the same program.
@cache
def _gradient_program(
    solver: SolverSettings, differentiate: Callable, precision: Precision, n_nodes: int
) -> Callable:
    """Gradients by parameters, perturbations and grids of times."""

    def summary(flat, perturbations, times):
        nothing_measured = jnp.full((len(times), *perturbations.shape), jnp.nan, precision)
        states, reached = shoot(
            _parameters(flat, n_nodes),
            perturbations,
            times,
            nothing_measured,
            jnp.asarray(False),
            solver,
        )
        return _summary(states, reached)

    by_grid = jax.vmap(differentiate(summary), (None, None, 0))
    return jax.jit(jax.vmap(by_grid, (None, 0, None)))


def _gradient_along_steps(
    solver: SolverSettings, grids: np.ndarray, n_nodes: int
) -> Float[np.ndarray, "n_probes n_grids n_parameters"]:
    """The same, by float64 forward mode through diffrax's own steps, of the lengths accepted."""
    double = replace(solver, precision="float64", adjoint="step_replay")
    with precision_context("float64"):
        flat, perturbations = jnp.asarray(_FLAT), jnp.asarray(_perturbations(n_nodes))
        lengths, ends, reached = _steps_program(double, n_nodes)(perturbations, jnp.asarray(grids))
        # Steps of no length change nothing; with a round number of them, programs are few.
        n_steps = _ROUND_STEPS * -(-int(ends.max()) // _ROUND_STEPS)
        gradient = _program_along_steps(solver.solver, n_nodes)
        return np.asarray(gradient(flat, perturbations, lengths[..., :n_steps], ends, reached))


@cache
def _steps_program(solver: SolverSettings, n_nodes: int) -> Callable:
    """Lengths of the accepted steps, where each time is reached, and whether all are."""

    def steps(perturbations, times):
        return accepted_steps(
            _parameters(jnp.asarray(_FLAT), n_nodes), perturbations, times, solver
        )

    return jax.jit(jax.vmap(jax.vmap(steps, (None, 0)), (0, None)))


@cache
def _program_along_steps(name: str, n_nodes: int) -> Callable:
    """Forward-mode gradients by parameters, perturbations and what `_steps_program` gives."""
    method = SOLVERS[name]()
    if isinstance(method, diffrax.AbstractRungeKutta):
        # Stages in a bounded loop, which forward mode can go through.
        method = eqx.tree_at(lambda m: m.scan_kind, method, "bounded", is_leaf=lambda x: x is None)
    term = diffrax.ODETerm(velocity)

    def summary(flat, perturbations, lengths, ends, reached):
        arguments = (_parameters(flat, n_nodes), perturbations)

        def step(state, length):
            memory = method.init(term, 0.0, length, state, arguments)
            state, *_ = method.step(term, 0.0, length, state, arguments, memory, False)
            return state, state

        start = jnp.zeros_like(perturbations)
        _, states = jax.lax.scan(step, start, lengths)
        return _summary(jnp.concatenate([start[None], states])[ends], reached)

    by_grid = jax.vmap(jax.jacfwd(summary), (None, None, 0, 0, 0))
    return jax.jit(jax.vmap(by_grid, (None, *[0] * 4)))


def _parameters(flat: Float[Array, " n_parameters"], n_nodes: int) -> Parameters:
    """The probe's own parameters, with idle nodes after them."""
    n_own = len(_WEIGHTS)
    n_idle = n_nodes - n_own
    weights = flat[:-n_own].reshape(n_own, n_own)
    return Parameters(jnp.pad(weights, (0, n_idle)), jnp.pad(flat[-n_own:], (0, n_idle)))


def _perturbations(n_nodes: int) -> Float[np.ndarray, "n_probes n_nodes n_conditions"]:
    return np.pad(_PERTURBATIONS, ((0, 0), (0, n_nodes - len(_WEIGHTS)), (0, 0)))


def _summary(
    states: Float[Array, "n_times n_nodes n_conditions"], reached: Bool[Array, ""]
) -> Float[Array, ""]:
    """A smooth function of a response that weighs every node differently."""
    value = jnp.sum(states * (1.0 + jnp.arange(states.shape[1]))[:, None])
    return value * jnp.where(reached, 1.0, jnp.nan)
