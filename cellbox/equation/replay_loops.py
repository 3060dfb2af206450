"""The two loops of step replay over several lanes: forward with a record, and backward along it.

See `cellbox.equation.step_replay` for the method.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from cellbox.equation.lane_layouts import Layout, Matrix, PerLane, State, layout_for
from cellbox.equation.runge_kutta_step import System, make_step, slope_of, take_apart
from cellbox.equation.solver_settings import SolverSettings
from cellbox.equation.tableaus import Method, method_of
from cellbox.equation.traced_arrays import Flag

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


class StepRecord(NamedTuple):
    """The steps that were taken.

    states, lengths: of each step; places beyond the last step are unused.
    ends: number of steps before each interval, and in all.
    """

    states: Float[Array, "max_steps *state"]
    lengths: Float[Array, "max_steps lanes"]
    ends: Int[Array, " n_intervals_plus_1"]


class _Course(NamedTuple):
    """Where all lanes are between two intervals.

    length: of the next step. reached: which lanes got to the end of all intervals so far.
    ends: the states at the end of each.
    """

    state: State
    length: PerLane
    record: StepRecord
    reached: Bool[Array, " lanes"]
    ends: Float[Array, "n_times *state"]


def forward(
    settings: SolverSettings,
    recording: bool,
    weights: Float[Array, "lanes n_nodes n_nodes"],
    amplitudes: Float[Array, "lanes n_nodes"],
    perturbations: Float[Array, "lanes n_nodes n_conditions"],
    start: Float[Array, "lanes n_nodes n_conditions"],
    times: Float[Array, "lanes n_times"],
    restarts: Float[Array, "lanes n_times n_nodes n_conditions"],
) -> tuple[
    Float[Array, "lanes n_times n_nodes n_conditions"], Bool[Array, " lanes"], StepRecord | None
]:
    """States at `times` by lane and whether they were reached; the steps, where `recording`."""
    layout = layout_for(weights.shape[-1])
    system = _system(layout, weights, amplitudes, perturbations)
    durations = jnp.diff(times, axis=1, prepend=0.0).T
    n_lanes, n_times = times.shape
    state = layout.state(start)
    most = n_times * settings.max_steps if recording else 0
    record = StepRecord(
        lax.empty((most, *state.shape), state.dtype),
        lax.empty((most, n_lanes), state.dtype),
        jnp.zeros(n_times + 1, jnp.int32),
    )
    first = FIRST_STEP if settings.step is None else settings.step
    begin = _Course(
        state,
        jnp.full(n_lanes, first, state.dtype),
        record,
        jnp.ones(n_lanes, bool),
        lax.empty((n_times, *state.shape), state.dtype),
    )

    def interval(index: Int[Array, ""], carry: _Course) -> _Course:
        state, length, record, reached, ends = carry
        state, length, record, arrived = _through_interval(
            settings, layout, system, state, length, record, index, durations[index]
        )
        ends = lax.dynamic_update_index_in_dim(ends, state, index, 0)
        restart = layout.state(lax.dynamic_index_in_dim(restarts, index, 1, keepdims=False))
        state = jnp.where(jnp.isfinite(restart), restart, state)
        return _Course(state, length, record, reached & arrived, ends)

    _, _, record, reached, ends = lax.fori_loop(0, n_times, interval, begin)
    states = _values(layout, ends)
    if not recording:
        return states, reached, None
    by_lane = StepRecord(
        _lanes_in_front(layout, record.states),
        record.lengths.T,
        jnp.broadcast_to(record.ends, (n_lanes, n_times + 1)),
    )
    return states, reached, by_lane


class _Walk(NamedTuple):
    """Where all lanes are within an interval.

    clock: time since the interval's beginning. wish: the next step's length.
    """

    clock: PerLane
    wish: PerLane
    state: State
    slope: State
    record: StepRecord
    taken: Int[Array, ""]


def _through_interval(
    settings: SolverSettings,
    layout: Layout,
    system: System,
    state: State,
    length: PerLane,
    record: StepRecord,
    index: Int[Array, ""],
    duration: PerLane,
) -> tuple[State, PerLane, StepRecord, Bool[Array, " lanes"]]:
    """Step all lanes to its end; also the length of the next step, and which lanes got there."""
    method = method_of(settings.solver)
    before = record.ends[index]

    def unfinished(walk: _Walk) -> Flag:
        return jnp.any(walk.clock < duration) & (walk.taken < settings.max_steps)

    def step(walk: _Walk) -> _Walk:
        clock, wish, state, slope, record, taken = walk
        active = clock < duration
        left = duration - clock
        # Hardly less than what is left would leave a step too short to be computed.
        last = wish >= left * (1 - 1e-5)
        length = jnp.where(last, left, wish)
        new, new_slope, error = make_step(
            method, layout, system, state, layout.per_lane(length), slope
        )
        accepted, next_wish = _judge(settings, layout, length, state, new, error, active)
        arrives = last | _rests(layout, new_slope) if settings.seeks_rest else last
        # A step cut short by the interval's end says nothing against the length it wished.
        next_wish = jnp.where(last & accepted, jnp.maximum(wish, next_wish), next_wish)
        take = layout.per_lane(accepted)
        return _Walk(
            jnp.where(accepted, jnp.where(arrives, duration, clock + length), clock),
            jnp.where(active, next_wish, wish),
            jnp.where(take, new, state),
            jnp.where(take, new_slope, slope),
            _write(record, before + taken, state, jnp.where(accepted, length, 0.0)),
            taken + 1,
        )

    slope = slope_of(layout, system, state)
    begin = _Walk(jnp.zeros_like(duration), length, state, slope, record, jnp.int32(0))
    walk = lax.while_loop(unfinished, step, begin)
    record = walk.record._replace(ends=walk.record.ends.at[index + 1].set(before + walk.taken))
    return walk.state, walk.wish, record, walk.clock >= duration


def _judge(
    settings: SolverSettings,
    layout: Layout,
    length: PerLane,
    state: State,
    new: State,
    error: State,
    active: Bool[Array, " lanes"],
) -> tuple[Bool[Array, " lanes"], PerLane]:
    """Which lanes accept the step, and how long their next one may be."""
    if settings.step is not None:
        return active, jnp.full_like(length, settings.step)
    scale = settings.atol + settings.rtol * jnp.maximum(jnp.abs(state), jnp.abs(new))
    size = layout.worst(error / scale)
    size = jnp.where(jnp.isnan(size), jnp.inf, size)
    accepted = active & (size < 1)
    factor = jnp.clip(
        _SAFETY * (1 / size) ** (1 / method_of(settings.solver).order),
        jnp.where(accepted, 1.0, _LEAST_FACTOR),
        jnp.where(accepted, _MOST_FACTOR, _SAFETY),
    )
    return accepted, jnp.minimum(length * factor, LONGEST_STEP)


def _rests(layout: Layout, slope: State) -> Bool[Array, " lanes"]:
    """Which lanes have come to rest."""
    n_nodes = layout.values(slope).shape[1]
    return layout.worst(slope) * n_nodes**0.5 <= RESTING_SPEED


def _write(record: StepRecord, place: Int[Array, ""], state: State, length: PerLane) -> StepRecord:
    if not len(record.lengths):
        return record
    return record._replace(
        states=lax.dynamic_update_index_in_dim(record.states, state, place, 0),
        lengths=lax.dynamic_update_index_in_dim(record.lengths, length, place, 0),
    )


def _lanes_in_front(
    layout: Layout, states: Float[Array, "n_steps *state"]
) -> Float[Array, "lanes n_steps _ _"]:
    """A sequence of states with the lanes' axis first, where `jax.vmap` wants it."""
    return jnp.moveaxis(states, layout.lane_axis, 0)


def _lanes_behind(
    layout: Layout, states: Float[Array, "lanes n_steps _ _"]
) -> Float[Array, "n_steps *state"]:
    """The opposite of `_lanes_in_front`."""
    return jnp.moveaxis(states, 0, layout.lane_axis)


def _states(
    layout: Layout, values: Float[Array, "lanes n_states n_nodes n_conditions"]
) -> Float[Array, "n_states *state"]:
    """A sequence of states from sequences by lane."""
    return jax.vmap(layout.state)(jnp.swapaxes(values, 0, 1))


def _values(
    layout: Layout, states: Float[Array, "n_states *state"]
) -> Float[Array, "lanes n_states n_nodes n_conditions"]:
    """A sequence by lane from a sequence of states."""
    return jnp.swapaxes(jax.vmap(layout.values)(states), 0, 1)


def backward(
    settings: SolverSettings,
    weights: Float[Array, "lanes n_nodes n_nodes"],
    amplitudes: Float[Array, "lanes n_nodes"],
    perturbations: Float[Array, "lanes n_nodes n_conditions"],
    restarts: Float[Array, "lanes n_times n_nodes n_conditions"],
    record: StepRecord,
    by_states: Float[Array, "lanes n_times n_nodes n_conditions"],
) -> tuple[
    Float[Array, "lanes n_nodes n_nodes"],
    Float[Array, "lanes n_nodes"],
    Float[Array, "lanes n_nodes n_conditions"],
    Float[Array, "lanes n_times n_nodes n_conditions"],
]:
    """Derivatives of the loss by weights, amplitudes, start and restarts, from those by states."""
    layout = layout_for(weights.shape[-1])
    system = _system(layout, weights, amplitudes, perturbations)
    method = method_of(settings.solver)
    states, lengths = _lanes_behind(layout, record.states), record.lengths.T
    restarts_at, by_ends = _states(layout, restarts), _states(layout, by_states)
    n_times = len(by_ends)
    # The lanes went through the same number of loop steps. None has to be replayed where nothing
    # depends on what they led to.
    ends = jnp.where(jnp.any(by_states != 0), record.ends[0], 0)

    def interval(
        back: Int[Array, ""], carry: tuple[State, Matrix, State, Float[Array, "n_times *state"]]
    ) -> tuple[State, Matrix, State, Float[Array, "n_times *state"]]:
        by_state, by_weights, by_amplitudes, by_restarts = carry
        index = n_times - 1 - back
        replaced = jnp.isfinite(restarts_at[index])
        by_restarts = lax.dynamic_update_index_in_dim(
            by_restarts, jnp.where(replaced, by_state, 0.0), index, 0
        )
        by_state = jnp.where(replaced, 0.0, by_state) + by_ends[index]

        def step(
            taken: Int[Array, ""], carry: tuple[State, Matrix, State]
        ) -> tuple[State, Matrix, State]:
            place = ends[index + 1] - 1 - taken
            length = layout.per_lane(lengths[place])
            return _step_back(method, layout, system, states[place], length, carry)

        carried = (by_state, by_weights, by_amplitudes)
        carried = lax.fori_loop(0, ends[index + 1] - ends[index], step, carried)
        return (*carried, by_restarts)

    nothing = jnp.zeros_like(system.perturbations)
    carry = (nothing, jnp.zeros_like(system.weights), nothing, jnp.zeros_like(by_ends))
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
    system: System,
    state: State,
    length: Float[Array, "..."],
    carry: tuple[State, Matrix, State],
) -> tuple[State, Matrix, State]:
    """The loss by the state before a step and by W and α, from those after it."""
    by_new, by_weights, by_amplitudes = carry
    by_old, by_own, by_inner, stages = take_apart(method, layout, system, state, length, by_new)
    return by_old, layout.add_outers(by_weights, by_inner, stages), by_amplitudes + by_own


def _system(
    layout: Layout,
    weights: Float[Array, "lanes n_nodes n_nodes"],
    amplitudes: Float[Array, "lanes n_nodes"],
    perturbations: Float[Array, "lanes n_nodes n_conditions"],
) -> System:
    return System(layout.matrix(weights), layout.per_node(amplitudes), layout.state(perturbations))
