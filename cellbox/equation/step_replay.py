"""Eq. 1 integrated by explicit Runge–Kutta steps for many models, and differentiated by replay.

Forward, an adaptive loop writes down each step it takes: the state it began at and its length,
0 where a model was done or its step was rejected. Backward, a loop in the other direction makes
each step once more and takes it apart (`replay_loops`, `runge_kutta_step`). The gradient is that of
the steps taken (discretise, then optimise), as from diffrax's RecursiveCheckpointAdjoint and
DirectAdjoint; no tree of checkpoints is kept, and step sizes are not differentiated.

The step sizes are those of diffrax's PIDController with its default coefficients. Every measured
time ends a step. What is written for one model is mapped with `jax.vmap`; the loops then run all
models side by side, each with its own steps, until the last is done. All this is for Eq. 1; for any
other equation, one model at a time, there is `cellbox.StepReplay`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Int

from cellbox.equation.dynamics import Parameters
from cellbox.equation.lane_layouts import LARGEST_LANES_LAST
from cellbox.equation.replay_loops import backward, forward
from cellbox.equation.solver_settings import SolverSettings
from cellbox.equation.traced_arrays import Courses, Flag, States, TracedTimes


def follow(
    parameters: Parameters,
    perturbations: States,
    start: States,
    times: TracedTimes,
    restarts: Courses,
    settings: SolverSettings,
) -> tuple[Courses, Flag]:
    """The states at `times`, and whether the solver got to all of them within its step limit.

    times: ascending from 0; a repeated time makes an empty interval, which costs nothing.
    restarts: after each time the integration goes on from these values; from its own state
        where they are NaN.

    Where the settings seek rest, the clock of a model that rests jumps to the next time.

    Differentiable by the parameters, the start and the restarts; by perturbations and times the
    gradient is zero.
    """
    return _follow(settings, parameters, perturbations, start, times, restarts)


def accepted_steps(
    parameters: Parameters, perturbations: States, times: TracedTimes, settings: SolverSettings
) -> tuple[Float[Array, " max_steps"], Int[Array, " n_times"], Flag]:
    """The lengths of the steps from x(0) = 0 to `times`, for checks along the same steps.

    A length of 0 is a rejected step. The second value is the number of steps up to each time,
    the third whether the solver got to the last one.
    """
    start = jnp.zeros_like(perturbations)
    never = jnp.full((len(times), *start.shape), jnp.nan, start.dtype)
    data = (parameters.weights, parameters.amplitudes, perturbations, start, times, never)
    _, reached, record = _mapped(forward, settings, True)(*data)
    return record.lengths, record.ends[1:], reached


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _follow(settings: SolverSettings, parameters: Parameters, *data: Array) -> tuple[Courses, Flag]:
    weights, amplitudes = parameters.weights, parameters.amplitudes
    states, reached, _ = _mapped(forward, settings, False)(weights, amplitudes, *data)
    return states, reached


def _follow_forward(
    settings: SolverSettings, parameters: Parameters, *data: Array
) -> tuple[Any, Any]:
    weights, amplitudes = parameters.weights, parameters.amplitudes
    states, reached, record = _mapped(forward, settings, True)(weights, amplitudes, *data)
    perturbations, _, _, restarts = data
    return (states, reached), (weights, amplitudes, perturbations, restarts, record)


def _follow_backward(
    settings: SolverSettings, residuals: Any, cotangents: tuple[Array, Any]
) -> tuple[Parameters, None, Array, None, Array]:
    weights, amplitudes, perturbations, restarts, record = residuals
    by_states, _ = cotangents
    by_weights, by_amplitudes, by_start, by_restarts = _mapped(backward, settings)(
        weights, amplitudes, perturbations, restarts, record, by_states
    )
    # α = exp(log α).
    return Parameters(by_weights, by_amplitudes * amplitudes), None, by_start, None, by_restarts


_follow.defvjp(_follow_forward, _follow_backward)


def lanes_go_one_by_one(n_nodes: int) -> bool:
    """Whether networks of this size are stepped one after another, though in one program.

    A large network fills a core by itself; beside others it would leave the cache.
    """
    return n_nodes > LARGEST_LANES_LAST and jax.default_backend() == "cpu"


@cache
def _mapped(
    function: Callable[..., Any], settings: SolverSettings, *options: bool
) -> Callable[..., Any]:
    """`function`, which works on several lanes, as a function of one lane that can be mapped."""
    lanes_function = partial(function, settings, *options)

    def one_lane(*arguments: Any) -> Any:
        added = jax.tree.map(lambda leaf: leaf[None], arguments)
        return jax.tree.map(lambda leaf: leaf[0], lanes_function(*added))

    mapped = custom_vmap(one_lane)

    @mapped.def_vmap
    def many_lanes(n_lanes: int, is_mapped: Sequence[Any], *arguments: Any) -> tuple[Any, Any]:
        arguments = jax.tree.map(
            lambda leaf, mapped: leaf if mapped else jnp.broadcast_to(leaf, (n_lanes, *leaf.shape)),
            arguments,
            tuple(is_mapped),
        )
        if lanes_go_one_by_one(arguments[0].shape[-1]):
            outputs = lax.map(lambda lane: one_lane(*lane), arguments)
        else:
            outputs = lanes_function(*arguments)
        return outputs, jax.tree.map(lambda _: True, outputs)

    return mapped
