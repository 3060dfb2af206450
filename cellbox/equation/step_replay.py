"""Eq. 1 integrated by explicit Runge–Kutta steps for many models, and differentiated by replay.

Forward, an adaptive loop writes down each step it takes: the state it began at and its length,
0 where a model was done or its step was rejected. Backward, a loop in the other direction makes
each step once more and takes it apart by the chain rule. The gradient is that of the steps taken
(discretise, then optimise), as from diffrax's RecursiveCheckpointAdjoint and DirectAdjoint; no
tree of checkpoints is kept, and step sizes are not differentiated.

One step from x of length h, with coefficients a and b of the method (rows of `Method.rows`):

    y_i = x + h Σ_{j<i} a_ij k_j,    k_i = α tanh(W y_i − u) − y_i,    x' = x + h Σ_i b_i k_i

and backward, from the derivative λ of the loss by x' (bars are derivatives of the loss):

    k̄_i = h (b_i λ + Σ_{j>i} a_ji ȳ_j),    z̄_i = α (1 − tanh²) k̄_i,    ȳ_i = Wᵀ z̄_i − k̄_i
    x̄ = λ + Σ ȳ_i,    W̄ += z̄_i y_iᵀ,    ᾱ += tanh k̄_i

The step sizes are those of diffrax's PIDController with its default coefficients. Every measured
time ends a step. What is written for one model is mapped with `jax.vmap`; the loops then run all
models side by side, each with its own steps, until the last is done.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int

from cellbox.equation.dynamics import Parameters
from cellbox.equation.lane_layouts import LARGEST_LANES_LAST, Layout, layout_for
from cellbox.equation.solver_settings import SolverSettings
from cellbox.equation.tableaus import Method, combine, method_of

# Eq. 1 decays with time constant 1, so half of it is a safe first step; then steps adapt.
FIRST_STEP = 0.5
# Near a steady state only stability limits an explicit step, and there rounding decides which
# steps are accepted: float32 and float64 gradients then differ by up to 1e-2. Steps that stay
# below the limit keep them within 1e-6 of each other.
LONGEST_STEP = 2.0
# A model rests where no condition moves faster: |dx/dt| over all nodes, log ratio per unit of time.
RESTING_SPEED = 1e-4
# diffrax's PIDController: how far below the largest allowed step to stay, and how much a step may
# shrink and grow at once.
_SAFETY, _LEAST_FACTOR, _MOST_FACTOR = 0.9, 0.2, 10.0


class _System(NamedTuple):
    """Eq. 1 of several lanes, in a layout."""

    weights: Float[Array, "*matrix"]
    amplitudes: Float[Array, "..."]
    perturbations: Float[Array, "*state"]


class _Record(NamedTuple):
    """The steps that were taken.

    states, lengths: of each step; places beyond the last step are unused.
    ends: number of steps before each interval, and in all.
    """

    states: Float[Array, "max_steps *state"]
    lengths: Float[Array, "max_steps lanes"]
    ends: Int[Array, " n_intervals_plus_1"]


def follow(
    parameters: Parameters,
    perturbations: Float[Array, "n_nodes n_conditions"],
    start: Float[Array, "n_nodes n_conditions"],
    times: Float[Array, " n_times"],
    restarts: Float[Array, "n_times n_nodes n_conditions"],
    settings: SolverSettings,
) -> tuple[Float[Array, "n_times n_nodes n_conditions"], Bool[Array, ""]]:
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
    parameters: Parameters,
    perturbations: Float[Array, "n_nodes n_conditions"],
    times: Float[Array, " n_times"],
    settings: SolverSettings,
) -> tuple[Float[Array, " max_steps"], Int[Array, " n_times"], Bool[Array, ""]]:
    """The lengths of the steps from x(0) = 0 to `times`, for checks along the same steps.

    A length of 0 is a rejected step. The second value is the number of steps up to each time,
    the third whether the solver got to the last one.
    """
    start = jnp.zeros_like(perturbations)
    never = jnp.full((len(times), *start.shape), jnp.nan, start.dtype)
    data = (parameters.weights, parameters.amplitudes, perturbations, start, times, never)
    _, reached, record = _mapped(_forward, settings, True)(*data)
    return record.lengths, record.ends[1:], reached


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _follow(settings: SolverSettings, parameters: Parameters, *data: Array) -> Any:
    weights, amplitudes = parameters.weights, parameters.amplitudes
    return _mapped(_forward, settings, False)(weights, amplitudes, *data)


def _follow_forward(settings: SolverSettings, parameters: Parameters, *data: Array) -> Any:
    weights, amplitudes = parameters.weights, parameters.amplitudes
    states, reached, record = _mapped(_forward, settings, True)(weights, amplitudes, *data)
    perturbations, _, _, restarts = data
    return (states, reached), (weights, amplitudes, perturbations, restarts, record)


def _follow_backward(settings: SolverSettings, residuals: Any, cotangents: Any) -> Any:
    weights, amplitudes, perturbations, restarts, record = residuals
    by_weights, by_amplitudes, by_start, by_restarts = _mapped(_backward, settings)(
        weights, amplitudes, perturbations, restarts, record, cotangents[0]
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
def _mapped(function: Any, settings: SolverSettings, *options: Any) -> Any:
    """`function`, which works on several lanes, as a function of one lane that can be mapped."""
    lanes_function = partial(function, settings, *options)

    def one_lane(*arguments: Any) -> Any:
        added = jax.tree.map(lambda leaf: leaf[None], arguments)
        return jax.tree.map(lambda leaf: leaf[0], lanes_function(*added))

    mapped = custom_vmap(one_lane)

    @mapped.def_vmap
    def many_lanes(n_lanes: int, is_mapped: Any, *arguments: Any) -> Any:
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


def _forward(
    settings: SolverSettings,
    recording: bool,
    weights: Float[Array, "lanes n_nodes n_nodes"],
    amplitudes: Float[Array, "lanes n_nodes"],
    perturbations: Float[Array, "lanes n_nodes n_conditions"],
    start: Float[Array, "lanes n_nodes n_conditions"],
    times: Float[Array, "lanes n_times"],
    restarts: Float[Array, "lanes n_times n_nodes n_conditions"],
) -> Any:
    """States at `times` by lane and whether they were reached; with a record of the steps."""
    layout = layout_for(weights.shape[-1])
    system = _System(
        layout.matrix(weights), layout.per_node(amplitudes), layout.state(perturbations)
    )
    durations = jnp.diff(times, axis=1, prepend=0.0).T
    n_lanes, n_times = times.shape
    state = layout.state(start)
    steps = _steps(settings, layout, system)
    most = n_times * settings.max_steps if recording else 0
    record = _Record(
        lax.empty((most, *state.shape), state.dtype),
        lax.empty((most, n_lanes), state.dtype),
        jnp.zeros(n_times + 1, jnp.int32),
    )
    first = FIRST_STEP if settings.step is None else settings.step
    carry = (
        state,
        jnp.full(n_lanes, first, state.dtype),
        record,
        jnp.ones(n_lanes, bool),
        lax.empty((n_times, *state.shape), state.dtype),
    )

    def interval(index: Any, carry: Any) -> Any:
        state, length, record, reached, ends = carry
        state, length, record, arrived = steps(state, length, record, index, durations[index])
        ends = lax.dynamic_update_index_in_dim(ends, state, index, 0)
        restart = layout.state(lax.dynamic_index_in_dim(restarts, index, 1, keepdims=False))
        state = jnp.where(jnp.isfinite(restart), restart, state)
        return state, length, record, reached & arrived, ends

    _, _, record, reached, ends = lax.fori_loop(0, n_times, interval, carry)
    states = _values(layout, ends)
    if not recording:
        return states, reached
    by_lane = _Record(
        _lanes_in_front(layout, record.states),
        record.lengths.T,
        jnp.broadcast_to(record.ends, (n_lanes, n_times + 1)),
    )
    return states, reached, by_lane


def _steps(settings: SolverSettings, layout: Layout, system: _System) -> Any:
    """A function that steps all lanes through one interval."""
    method = method_of(settings.solver)

    def choose(length: Any, state: Any, new: Any, error: Any, active: Any) -> tuple[Any, Any]:
        """Which lanes accept the step, and how long their next one may be."""
        if settings.step is not None:
            return active, jnp.full_like(length, settings.step)
        scale = settings.atol + settings.rtol * jnp.maximum(jnp.abs(state), jnp.abs(new))
        size = layout.worst(error / scale)
        size = jnp.where(jnp.isnan(size), jnp.inf, size)
        accepted = active & (size < 1)
        factor = jnp.clip(
            _SAFETY * (1 / size) ** (1 / method.order),
            jnp.where(accepted, 1.0, _LEAST_FACTOR),
            jnp.where(accepted, _MOST_FACTOR, _SAFETY),
        )
        return accepted, jnp.minimum(length * factor, LONGEST_STEP)

    def rests(slope: Any) -> Any:
        """Which lanes have come to rest, where that ends their integration."""
        if not settings.seeks_rest:
            return False
        n_nodes = system.weights.shape[1]
        return layout.worst(slope) * n_nodes**0.5 <= RESTING_SPEED

    def through(
        state: Float[Array, "*state"],
        length: Float[Array, " lanes"],
        record: _Record,
        index: Int[Array, ""],
        duration: Float[Array, " lanes"],
    ) -> Any:
        before = record.ends[index]

        def unfinished(carry: Any) -> Any:
            clock, *_, taken = carry
            return jnp.any(clock < duration) & (taken < settings.max_steps)

        def step(carry: Any) -> Any:
            clock, wish, state, slope, record, taken = carry
            active = clock < duration
            left = duration - clock
            # Hardly less than what is left would leave a step too short to be computed.
            last = wish >= left * (1 - 1e-5)
            length = jnp.where(last, left, wish)
            new, new_slope, error = _step(
                method, layout, system, state, layout.per_lane(length), slope
            )
            accepted, next_wish = choose(length, state, new, error, active)
            arrives = last | rests(new_slope)
            record = _write(record, before + taken, state, jnp.where(accepted, length, 0.0))
            # A step cut short by the interval's end says nothing against the length it wished.
            next_wish = jnp.where(last & accepted, jnp.maximum(wish, next_wish), next_wish)
            take = layout.per_lane(accepted)
            return (
                jnp.where(accepted, jnp.where(arrives, duration, clock + length), clock),
                jnp.where(active, next_wish, wish),
                jnp.where(take, new, state),
                jnp.where(take, new_slope, slope),
                record,
                taken + 1,
            )

        slope = _slope(layout, system, state)
        begin = (jnp.zeros_like(duration), length, state, slope, record, jnp.int32(0))
        clock, length, state, _, record, taken = lax.while_loop(unfinished, step, begin)
        record = record._replace(ends=record.ends.at[index + 1].set(before + taken))
        return state, length, record, clock >= duration

    return through


def _write(record: _Record, place: Any, state: Any, length: Any) -> _Record:
    if not len(record.lengths):
        return record
    return record._replace(
        states=lax.dynamic_update_index_in_dim(record.states, state, place, 0),
        lengths=lax.dynamic_update_index_in_dim(record.lengths, length, place, 0),
    )


def _slope(layout: Layout, system: _System, state: Any) -> Any:
    """The right side of Eq. 1."""
    return layout.apart(_velocity, state, *system)


def _velocity(layout: Layout, state: Any, weights: Any, amplitudes: Any, perturbations: Any) -> Any:
    return amplitudes * _saturation(layout, state, weights, perturbations) - state


def _saturation(layout: Layout, state: Any, weights: Any, perturbations: Any) -> Any:
    return jnp.tanh(layout.drive(weights, state) - perturbations)


def _pull(layout: Layout, by_inner: Any, by_slope: Any, weights: Any) -> Any:
    """The derivative by a stage, from those by the argument of its tanh and by its slope."""
    return layout.transposed_drive(weights, by_inner) - by_slope


def _step(
    method: Method, layout: Layout, system: _System, state: Any, length: Any, slope: Any
) -> tuple[Any, Any, Any]:
    """The new state, the slope there, and the estimated error of one step."""
    slopes = [slope]
    new = state
    for row in method.rows:
        new = state + length * combine(row, slopes)
        slopes.append(_slope(layout, system, new))
    return new, slopes[-1], length * combine(method.error, slopes)


def _lanes_in_front(layout: Layout, states: Float[Array, "n *state"]) -> Any:
    """A sequence of states with the lanes' axis first, where `jax.vmap` wants it."""
    return jnp.moveaxis(states, layout.lane_axis, 0)


def _lanes_behind(layout: Layout, states: Float[Array, "lanes n ..."]) -> Any:
    """The opposite of `_lanes_in_front`."""
    return jnp.moveaxis(states, 0, layout.lane_axis)


def _states(layout: Layout, values: Float[Array, "lanes n n_nodes n_conditions"]) -> Any:
    """A sequence of states from sequences by lane."""
    return jax.vmap(layout.state)(jnp.swapaxes(values, 0, 1))


def _values(layout: Layout, states: Float[Array, "n *state"]) -> Any:
    """A sequence by lane from a sequence of states."""
    return jnp.swapaxes(jax.vmap(layout.values)(states), 0, 1)


def _backward(
    settings: SolverSettings,
    weights: Float[Array, "lanes n_nodes n_nodes"],
    amplitudes: Float[Array, "lanes n_nodes"],
    perturbations: Float[Array, "lanes n_nodes n_conditions"],
    restarts: Float[Array, "lanes n_times n_nodes n_conditions"],
    record: _Record,
    by_states: Float[Array, "lanes n_times n_nodes n_conditions"],
) -> Any:
    """Derivatives of the loss by weights, amplitudes, start and restarts, from those by states."""
    layout = layout_for(weights.shape[-1])
    system = _System(
        layout.matrix(weights), layout.per_node(amplitudes), layout.state(perturbations)
    )
    method = method_of(settings.solver)
    states, lengths = _lanes_behind(layout, record.states), record.lengths.T
    restarts, by_states = _states(layout, restarts), _states(layout, by_states)
    n_times = len(by_states)
    # The lanes went through the same number of loop steps. None has to be replayed where nothing
    # depends on what they led to.
    ends = jnp.where(jnp.any(by_states != 0), record.ends[0], 0)

    def interval(back: Any, carry: Any) -> Any:
        by_state, by_weights, by_amplitudes, by_restarts = carry
        index = n_times - 1 - back
        replaced = jnp.isfinite(restarts[index])
        by_restarts = lax.dynamic_update_index_in_dim(
            by_restarts, jnp.where(replaced, by_state, 0.0), index, 0
        )
        by_state = jnp.where(replaced, 0.0, by_state) + by_states[index]

        def step(taken: Any, carry: Any) -> Any:
            place = ends[index + 1] - 1 - taken
            length = layout.per_lane(lengths[place])
            return _step_back(method, layout, system, states[place], length, *carry)

        carry = (by_state, by_weights, by_amplitudes)
        return (
            *lax.fori_loop(0, ends[index + 1] - ends[index], step, carry),
            by_restarts,
        )

    nothing = jnp.zeros_like(system.perturbations)
    carry = (nothing, jnp.zeros_like(system.weights), nothing, jnp.zeros_like(by_states))
    by_start, by_weights, by_amplitudes, by_restarts = lax.fori_loop(0, n_times, interval, carry)
    return (
        layout.weights(by_weights),
        jnp.sum(layout.values(by_amplitudes), axis=-1),
        layout.values(by_start),
        _values(layout, by_restarts),
    )


def _step_back(
    method: Method,
    layout: Layout,
    system: _System,
    state: Any,
    length: Any,
    by_new: Any,
    by_weights: Any,
    by_amplitudes: Any,
) -> tuple[Any, Any, Any]:
    """Derivatives by the state before a step, from those by the state after it (see above)."""

    n_stages = len(method.rows)
    stages, saturations, slopes = [state], [], []
    for row in method.rows:
        saturations.append(
            layout.apart(_saturation, stages[-1], system.weights, system.perturbations)
        )
        slopes.append(system.amplitudes * saturations[-1] - stages[-1])
        stages.append(state + length * combine(row, slopes))
    by_stages = [by_new]  # of the stages after the one at hand, the last first
    by_inners = []
    for index in reversed(range(n_stages)):
        # The coefficients that this stage's slope has in later stages.
        column = method.rows[index:, index][::-1]
        by_slope = length * combine(column, by_stages)
        by_inner = system.amplitudes * (1 - saturations[index] ** 2) * by_slope
        by_stages.append(layout.apart(_pull, by_inner, by_slope, system.weights))
        by_inners.append(by_inner)
        by_amplitudes = by_amplitudes + saturations[index] * by_slope
    by_weights = layout.add_outers(by_weights, by_inners, stages[-2::-1])
    return sum(by_stages[1:], by_new), by_weights, by_amplitudes
