"""Where Eq. 1 leads within an interval, and how that depends on its start and on W and α.

For an interval of duration T that begins in x(0), with z = W x − u and d = α ∘ sech²(z):

- the *transition* Λ(s) = ∂x(T)/∂x(s) solves dΛ/ds = −Λ (diag(d) W − I) backwards from Λ(T) = I;
- ∂x(T)/∂W[i, j] = ∫ Λ(s)[:, i] d_i(s) x_j(s) ds;
- ∂x(T)/∂log α_i = ∫ Λ(s)[:, i] α_i tanh z_i(s) ds

(variation of constants). The n² integrals share one transition, which makes all derivatives cost
n³ for each step, where the variational equations of every parameter would cost n⁴. States come
from classical Runge-Kutta steps, the transition from steps twice as long that have a state in
their middle, and the integrals from Simpson's rule.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cellbox.arrays import EdgeValues, NodeValues
from cellbox.equation.classical_step import classical_step
from cellbox.equation.solver_settings import precision_context
from cellbox.equation.traced_arrays import TracedAmplitudes, TracedWeights

# The longest step of a state, in the model's time unit; of a transition twice this.
_LONGEST_STEP = 0.125

# Intervals that one call of the compiled program takes, so that it is compiled once for all data;
# where there are few intervals, a smaller program that is not mostly padding.
_BATCH, _SMALL_BATCH, _FEW = 64, 16, 32


class Intervals(NamedTuple):
    """Pieces of time courses: where each begins, under which perturbation, how long it lasts.

    durations: in the model's time unit. free: 1 of nodes that follow their equation, 0 of those
    that stay where they begin; None where all are free. later: pieces that follow, in which other
    perturbations act (see `cellbox.equation.interval_pieces`).
    """

    starts: Float[np.ndarray, "n_intervals n_nodes"]
    perturbations: Float[np.ndarray, "n_intervals n_nodes"]
    durations: Float[np.ndarray, " n_intervals"]
    free: Float[np.ndarray, "n_intervals n_nodes"] | None = None
    later: tuple[Piece, ...] = ()

    def chosen(self, which: slice) -> Intervals:
        """Some of them."""
        return Intervals(
            self.starts[which],
            self.perturbations[which],
            self.durations[which],
            None if self.free is None else self.free[which],
            tuple(Piece(*(values[which] for values in piece)) for piece in self.later),
        )


class Piece(NamedTuple):
    """What follows in intervals where perturbations switch; a duration of 0 is nothing."""

    perturbations: Float[np.ndarray, "n_intervals n_nodes"]
    durations: Float[np.ndarray, " n_intervals"]


class Forced(NamedTuple):
    """How ends of intervals would move if the rates of nodes were other than Eq. 1's.

    Columns are nodes. drive: by a constant inside the tanh. decay: by the logarithm of the decay.
    square, cube: by α tanh² z and α tanh³ z in the rate, which bend the response curve.
    """

    drive: Float[np.ndarray, "n_intervals n_nodes n_nodes"]
    decay: Float[np.ndarray, "n_intervals n_nodes n_nodes"]
    square: Float[np.ndarray, "n_intervals n_nodes n_nodes"]
    cube: Float[np.ndarray, "n_intervals n_nodes n_nodes"]


# The same in a compiled program.
_Batch = tuple[Float[Array, "batch n_nodes"], Float[Array, "batch n_nodes"], Float[Array, " batch"]]


class Flow(NamedTuple):
    """Ends of intervals, and their derivatives by start, by W (row-major) and by log α."""

    ends: Float[np.ndarray, "n_intervals n_nodes"]
    by_start: Float[np.ndarray, "n_intervals n_nodes n_nodes"]
    by_parameters: Float[np.ndarray, "n_intervals n_nodes n_parameters"]


class Transition(NamedTuple):
    """Ends of intervals, and their derivatives by start."""

    ends: Float[np.ndarray, "n_intervals n_nodes"]
    by_start: Float[np.ndarray, "n_intervals n_nodes n_nodes"]


def steps_for(durations: Float[np.ndarray, " n_intervals"]) -> int:
    """Steps that integrate the longest of these durations well: a multiple of 4."""
    return 4 * max(1, math.ceil(float(np.max(durations)) / (4 * _LONGEST_STEP)))


def flow(weights: EdgeValues, amplitudes: NodeValues, intervals: Intervals) -> Flow:
    """Ends and derivatives in float64; not finite where a network is too stiff for the steps."""
    return Flow(*in_batches(traced_flow, weights, amplitudes, intervals))


def transition(weights: EdgeValues, amplitudes: NodeValues, intervals: Intervals) -> Transition:
    """`flow` without the derivatives by W and α, which take n + 1 times its memory."""
    return Transition(*in_batches(_traced_transition, weights, amplitudes, intervals))


def ends(
    weights: EdgeValues, amplitudes: NodeValues, intervals: Intervals
) -> Float[np.ndarray, "n_intervals n_nodes"]:
    """The ends alone, to the bit those of `flow`."""
    return in_batches(traced_ends, weights, amplitudes, intervals)[0]


def forced(weights: EdgeValues, amplitudes: NodeValues, intervals: Intervals) -> Forced:
    """Derivatives of the ends by what Eq. 1 has not, at 0 of it; in float64."""
    return Forced(*in_batches(_traced_forced, weights, amplitudes, intervals))


def in_batches(program, weights, amplitudes, intervals: Intervals) -> list[np.ndarray]:
    """What a compiled program gives of intervals, in float64; their last batch is padded.

    program: of W, α, a batch of intervals, and the number of steps. Of their pieces the first.
    """
    assert not intervals.later, "intervals in pieces are followed one by one"
    arrays = [values for values in intervals[:4] if values is not None]
    n_intervals = len(intervals.starts)
    size = _SMALL_BATCH if n_intervals <= _FEW else _BATCH
    padding = [(0, -n_intervals % size)]
    n_steps = steps_for(intervals.durations)
    parts = []
    with precision_context("float64"):
        padded = [
            np.pad(np.asarray(values, float), padding + [(0, 0)] * (np.ndim(values) - 1))
            for values in arrays
        ]
        for begin in range(0, len(padded[0]), size):
            batch = tuple(values[begin : begin + size] for values in padded)
            parts.append(program(weights, amplitudes, batch, n_steps))
        parts = [[np.asarray(values) for values in part] for part in parts]
    return [np.concatenate(values)[:n_intervals] for values in zip(*parts, strict=True)]


def _states(
    weights: TracedWeights, amplitudes: TracedAmplitudes, intervals: _Batch, n_steps: int
) -> Float[Array, "n_grid batch n_nodes"]:
    """States at the start and after each step."""
    starts, perturbations, durations = intervals
    step = (durations / n_steps)[:, None]

    def velocity(_, state):
        return amplitudes * jnp.tanh(state @ weights.T - perturbations) - state

    def advance(state, _):
        state = classical_step(velocity, state, step)
        return state, state

    _, states = jax.lax.scan(advance, starts, None, length=n_steps)
    return jnp.concatenate([starts[None], states])


@partial(jax.jit, static_argnums=3)
def traced_ends(weights, amplitudes, intervals: _Batch, n_steps: int):
    """`ends` on JAX arrays in their own precision, alone in a tuple; n_steps: as `traced_flow`."""
    return (_states(weights, amplitudes, intervals, n_steps)[-1],)


@partial(jax.jit, static_argnums=3)
def traced_flow(weights, amplitudes, intervals: _Batch, n_steps: int):
    """`flow` on JAX arrays in their own precision, as a tuple, for what is itself compiled.

    n_steps: that each interval is divided into, however long it is; a multiple of 4.
    """
    n_nodes = len(amplitudes)
    course = _linearised(weights, amplitudes, intervals, n_steps)
    states, responses, slopes, transitions, by_input = course
    by_weights = jnp.einsum("sbki,sbi,sbj->bkij", by_input, slopes[::2], states[::2])
    by_amplitudes = jnp.einsum("sbki,sbi->bki", by_input, amplitudes * responses[::2])
    flat = by_weights.reshape(*by_weights.shape[:2], n_nodes * n_nodes)
    return states[-1], transitions[0], jnp.concatenate([flat, by_amplitudes], axis=2)


@partial(jax.jit, static_argnums=3)
def _traced_transition(weights, amplitudes, intervals: _Batch, n_steps: int):
    """`transition`, as a tuple; n_steps: as `traced_flow`."""
    states, _, _, transitions, _ = _linearised(weights, amplitudes, intervals, n_steps)
    return states[-1], transitions[0]


@partial(jax.jit, static_argnums=3)
def _traced_forced(weights, amplitudes, intervals: _Batch, n_steps: int):
    """`forced`, as a tuple; n_steps: as `traced_flow`."""
    course = _linearised(weights, amplitudes, intervals, n_steps)
    states, responses, slopes, _, by_input = course
    forces = (slopes, -states, amplitudes * responses**2, amplitudes * responses**3)
    return tuple(jnp.einsum("sbki,sbi->bki", by_input, force[::2]) for force in forces)


def _linearised(weights, amplitudes, intervals: _Batch, n_steps: int) -> tuple[Array, ...]:
    """States, tanh, its slopes, transitions, and what they make of an input at each time."""
    _, perturbations, durations = intervals
    states = _states(weights, amplitudes, intervals, n_steps)
    responses = jnp.tanh(states @ weights.T - perturbations)
    slopes = amplitudes * (1.0 - responses**2)
    transitions = _transitions(weights, slopes, durations, n_steps)
    return states, responses, slopes, transitions, by_input(transitions, durations, n_steps)


def by_input(
    transitions: Float[Array, "n_half_grid batch n_nodes n_nodes"],
    durations: Float[Array, " batch"],
    n_steps: int,
) -> Float[Array, "n_half_grid batch n_nodes n_nodes"]:
    """Transitions as Simpson's rule weighs them, over every second state, where they are known."""
    rule = np.ones(n_steps // 2 + 1)
    rule[1:-1:2], rule[2:-1:2] = 4.0, 2.0
    return transitions * (rule[:, None] * 2 * durations / (3 * n_steps))[..., None, None]


def _transitions(
    weights: TracedWeights,
    slopes: Float[Array, "n_grid batch n_nodes"],
    durations: Float[Array, " batch"],
    n_steps: int,
) -> Float[Array, "n_half_grid batch n_nodes n_nodes"]:
    """∂x(T)/∂x(s) for every second s of the grid."""
    step = (2 * durations / n_steps)[:, None, None]

    def change(slope, transition):
        return (transition * slope[:, None, :]) @ weights - transition

    def back(transition, later_to_earlier):
        transition = classical_step(change, transition, step, later_to_earlier)
        return transition, transition

    end = jnp.broadcast_to(jnp.eye(slopes.shape[2]), (*slopes.shape[1:], slopes.shape[2]))
    later_to_earlier = (slopes[2::2], slopes[1::2], slopes[:-2:2])
    _, earlier = jax.lax.scan(back, end, later_to_earlier, reverse=True)
    return jnp.concatenate([earlier, end[None]])
