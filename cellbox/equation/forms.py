"""The right-hand side with optional parts (`cellbox.networks.form` has the equation).

Every number of a form acts on the rate of one node alone, as a row of W does. So the rate is
written once, for one node, and its derivatives by the states, by the row of W and by the node's own
numbers come from one backward pass through it. With them the ends of intervals are differentiated
by variation of constants, as those of Eq. 1 are (`cellbox.equation.interval_flow`), where every
part costs as much as log α.

Where no part is on, nothing here runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cellbox.arrays import EdgeValues, NodeValues, Perturbations, Responses
from cellbox.equation.classical_step import classical_step
from cellbox.equation.integrate import solve
from cellbox.equation.interval_flow import Flow, Forced, Intervals, by_input, in_batches
from cellbox.equation.solver_settings import SolverSettings, precision_context
from cellbox.equation.traced_arrays import Scalar, TracedTimes
from cellbox.networks.fitted_form import FittedForm, offsets
from cellbox.networks.form import EQ_1, Form
from cellbox.networks.line_networks import names_of_lines, of_line, rows_of_lines
from cellbox.networks.network import Network
from cellbox.networks.off_targets import OFF_TARGET
from cellbox.networks.whole_network import n_hidden_of, whole

#: What Eq. 1 has not, as `Forced` names it: parts, and two ways to bend the response curve.
_TESTED = ("drive", "decay", "square", "cube")

_LOG_2 = float(np.log(2.0))


def _rate_of_node(
    form: Form,
    state: Float[Array, " n_nodes"],
    own: Scalar,
    weights: Float[Array, " n_nodes"],
    log_amplitude: Scalar,
    extras: Float[Array, " n_parts"],
    doses: Float[Array, " n_nodes"],
    dose: Scalar,
    treated: Scalar,
    tested: Float[Array, " n_tested"] | None = None,
) -> Scalar:
    """dx/dt of one node.

    own: its state. weights: its row of W. extras: the numbers of the form as they are fitted, 0 for
    Eq. 1. doses: of all nodes. dose: its own. treated: 1 where its row is, else 0. tested: numbers
    of what is asked for.
    """
    numbers = dict(zip(form.own_parts, extras, strict=False))
    asked = dict(zip(_TESTED, tested, strict=True)) if tested is not None else {}
    if OFF_TARGET in form.parts:
        dose = dose + extras[len(form.own_parts) :] @ doses
    acting = dose * jnp.exp(numbers.get("dose_scale", 0.0))
    if "dose_saturation" in numbers:
        acting = acting / (1.0 + numbers["dose_saturation"] * jnp.abs(dose))
    added = numbers.get("drive", 0.0) + treated * numbers.get("treated_drive", 0.0)
    added = added + asked.get("drive", 0.0) - acting
    decay = jnp.exp(numbers.get("decay", 0.0) + asked.get("decay", 0.0))
    if form.curve == "hill":
        # f(y; w) = 2 y^(2 w) / (1 + y^(2 w)), which is 1 where w is 0.
        made = _LOG_2 - jax.nn.softplus(-2.0 * _LOG_2 * weights * state)
        level = made.sum() + added - _LOG_2 * own
        rate = (jnp.exp(level) - decay) / _LOG_2
        # What bends it otherwise: powers of what it is driven by.
        bent = jnp.tanh(made.sum() + added)
        amplitude: Any = 1.0
    else:
        amplitude = jnp.exp(log_amplitude)
        bent = _CURVES[form.curve](weights @ state + added)
        rate = amplitude * bent - decay * own
    if asked:
        rate = rate + amplitude * (asked["square"] * bent**2 + asked["cube"] * bent**3)
    return rate * jnp.exp(numbers.get("time_scale", 0.0))


_CURVES = {
    "tanh": jnp.tanh,
    "linear": lambda z: z,
    "clip": lambda z: jnp.clip(z, -1.0, 1.0),
    "polynomial": lambda z: z * jnp.abs(z) / (1.0 + z**2),
}


def _rate(form: Form, weights, log_amplitudes, extras, perturbations, state, free=None):
    """dx/dt of all nodes in one row, or in a batch of rows (first axis of both).

    free: 1 of nodes that follow their equation, 0 of those that are held; None where all are free.
    """

    def of_row(x, u):
        treated = jnp.any(u != 0).astype(x.dtype)

        def of_node(own, row, log_amplitude, numbers, dose):
            return _rate_of_node(form, x, own, row, log_amplitude, numbers, u, dose, treated)

        return jax.vmap(of_node, in_axes=(0, 0, 0, 1, 0))(x, weights, log_amplitudes, extras, u)

    rate = jax.vmap(of_row) if state.ndim == 2 else of_row
    found = rate(state, perturbations)
    return found if free is None else found * free


def formed_flow(
    form: Form,
    weights: EdgeValues,
    amplitudes: NodeValues,
    extras: np.ndarray,
    intervals: Intervals,
) -> Flow:
    """As `cellbox.equation.interval_flow.flow`, of a form; parameters are W, log α and its numbers.

    extras: as `Form.of_nodes` has the numbers. x(0) and an offset, which
    are no part of the rate, have derivatives of 0.
    """
    found = in_batches(partial(_traced_flow, form, extras), weights, amplitudes, intervals)
    ends, by_start, by_weights, by_amplitudes, by_extras = found
    n_nodes = len(amplitudes)
    flat = by_weights.reshape(*by_weights.shape[:2], n_nodes * n_nodes)
    return Flow(
        ends, by_start, np.concatenate([flat, by_amplitudes, form.gathered(by_extras)], axis=2)
    )


def formed_ends(
    form: Form,
    weights: EdgeValues,
    amplitudes: NodeValues,
    extras: np.ndarray,
    intervals: Intervals,
) -> Float[np.ndarray, "n_intervals n_nodes"]:
    """The ends alone."""
    return in_batches(partial(_traced_ends, form, extras), weights, amplitudes, intervals)[0]


def formed_forces(
    form: Form,
    weights: EdgeValues,
    amplitudes: NodeValues,
    extras: np.ndarray,
    intervals: Intervals,
) -> Forced:
    """As `cellbox.equation.interval_flow.forced`, of a form: by what it has not, or otherwise."""
    return Forced(
        *in_batches(partial(_traced_forces, form, extras), weights, amplitudes, intervals)
    )


@partial(jax.jit, static_argnums=(0, 5))
def _traced_ends(form: Form, extras, weights, amplitudes, intervals, n_steps: int):
    return (_states(form, extras, weights, amplitudes, intervals, n_steps)[-1],)


@partial(jax.jit, static_argnums=(0, 5))
def _traced_flow(form: Form, extras, weights, amplitudes, intervals, n_steps: int):
    states = _states(form, extras, weights, amplitudes, intervals, n_steps)
    slopes = _slopes(form, extras, weights, amplitudes, intervals, states)
    by_state, by_row, by_amplitude, by_extras, _ = slopes
    transitions = _transitions(by_state, intervals[2], n_steps)
    inputs = by_input(transitions, intervals[2], n_steps)
    return (
        states[-1],
        transitions[0],
        jnp.einsum("sbki,sbij->bkij", inputs, by_row[::2]),
        jnp.einsum("sbki,sbi->bki", inputs, by_amplitude[::2]),
        jnp.einsum("sbki,sbie->bkei", inputs, by_extras[::2]),
    )


@partial(jax.jit, static_argnums=(0, 5))
def _traced_forces(form: Form, extras, weights, amplitudes, intervals, n_steps: int):
    states = _states(form, extras, weights, amplitudes, intervals, n_steps)
    by_state, *_, by_tested = _slopes(form, extras, weights, amplitudes, intervals, states)
    transitions = _transitions(by_state, intervals[2], n_steps)
    inputs = by_input(transitions, intervals[2], n_steps)
    forces = jnp.einsum("sbki,sbie->ebki", inputs, by_tested[::2])
    return tuple(forces)


def _states(form: Form, extras, weights, amplitudes, intervals, n_steps: int):
    """States at the start and after each step."""
    starts, perturbations, durations, *free = intervals
    step = (durations / n_steps)[:, None]
    rate = partial(_rate, form, weights, jnp.log(amplitudes), extras, perturbations)

    def advance(state, _):
        state = classical_step(lambda _, x: rate(x, *free), state, step)
        return state, state

    _, states = jax.lax.scan(advance, starts, None, length=n_steps)
    return jnp.concatenate([starts[None], states])


def _slopes(form: Form, extras, weights, amplitudes, intervals, states):
    """Derivatives of rates along the states: by states, W, log α, the form, and what is tested."""
    _, perturbations, _, *free = intervals
    log_amplitudes = jnp.log(amplitudes)
    untested = jnp.zeros(len(_TESTED), states.dtype)

    def of_row(x, u, *free):
        treated = jnp.any(u != 0).astype(x.dtype)

        def of_node(own, row, log_amplitude, numbers, dose, *is_free):
            def rate(x, own, row, log_amplitude, numbers, tested):
                parts = (row, log_amplitude, numbers, u, dose, treated, tested)
                found = _rate_of_node(form, x, own, *parts)
                return found * is_free[0] if is_free else found

            slopes = jax.grad(rate, argnums=(0, 1, 2, 3, 4, 5))
            return slopes(x, own, row, log_amplitude, numbers, untested)

        over_nodes = jax.vmap(of_node, in_axes=(0, 0, 0, 1, 0, *(0 for _ in free)))
        by_state, by_own, *others = over_nodes(x, weights, log_amplitudes, extras, u, *free)
        return by_state + jnp.diag(by_own), *others

    along = jax.vmap(jax.vmap(of_row), in_axes=(0, None, *(None for _ in free)))
    return along(states, perturbations, *free)


def _transitions(by_state, durations, n_steps: int):
    """∂x(T)/∂x(s) for every second s of the grid."""
    step = (2 * durations / n_steps)[:, None, None]

    def back(transition, later_to_earlier):
        transition = classical_step(
            lambda slope, at: at @ slope, transition, step, later_to_earlier
        )
        return transition, transition

    end = jnp.broadcast_to(jnp.eye(by_state.shape[-1], dtype=by_state.dtype), by_state.shape[1:])
    later_to_earlier = (by_state[2::2], by_state[1::2], by_state[:-2:2])
    _, earlier = jax.lax.scan(back, end, later_to_earlier, reverse=True)
    return jnp.concatenate([earlier, end[None]])


def formed_responses(
    fitted: FittedForm,
    weights: Float[Array, "n_nodes n_nodes"],
    amplitudes: Float[Array, " n_nodes"],
    perturbations: Float[Array, "n_rows n_nodes"],
    times: TracedTimes,
    settings: SolverSettings,
    start: Float[Array, "n_rows n_nodes"] | None = None,
    free: Float[Array, "n_rows n_nodes"] | None = None,
) -> Responses:
    """What is measured at `times` in each row, by diffrax; NaN where a row could not be solved.

    start: x(0) of each row, by default that of the form. free: 1 of nodes that follow their
    equation, 0 of those that stay at their start; None where all are free.
    """
    if fitted.hidden is not None:
        assert free is None
        return _responses_of_whole(
            fitted, weights, amplitudes, perturbations, times, settings, start
        )
    n_nodes = weights.shape[0]
    if start is None:
        of_form = fitted.values.get("start", np.zeros(n_nodes))
        start = jnp.broadcast_to(jnp.asarray(of_form, weights.dtype), perturbations.shape)
    extras = jnp.asarray(fitted.table(n_nodes), weights.dtype)
    log_amplitudes, more = jnp.log(amplitudes), () if free is None else (free,)
    states, reached = _solved(
        fitted.form, extras, weights, log_amplitudes, perturbations, times, settings, start, *more
    )
    states = np.where(np.asarray(reached)[:, None, None], np.asarray(states, float), np.nan)
    added = offsets(fitted, np.asarray(perturbations, float))
    added = added if free is None else added * np.asarray(free, float)
    return states + added[:, None]


def _responses_of_whole(
    fitted: FittedForm, weights, amplitudes, perturbations, times, settings, start
) -> Responses:
    """`formed_responses` of a network with hidden nodes, which begin at 0; of the others."""
    n_nodes = weights.shape[0]
    shown = Network(
        tuple(str(node) for node in range(n_nodes)),
        np.asarray(weights, float),
        np.asarray(amplitudes, float),
        fitted,
    )
    every = whole(shown)
    more = every.n_nodes - n_nodes
    found = formed_responses(
        every.form or FittedForm(EQ_1, {}),
        jnp.asarray(every.weights, weights.dtype),
        jnp.asarray(every.amplitudes, weights.dtype),
        jnp.pad(perturbations, ((0, 0), (0, more))),
        times,
        settings,
        None if start is None else jnp.pad(start, ((0, 0), (0, more))),
    )
    return found[..., :n_nodes]


def velocities(
    network: Network,
    perturbations: Perturbations,
    measured: Perturbations,
    lines: Sequence[str] | None = None,
) -> np.ndarray:
    """dx/dt of each row (log ratio per unit of time) where these states are measured.

    Hidden nodes are taken to have come to rest beside these states. lines: as `responses` has it.
    """
    if names_of_lines(network):
        found = np.empty(perturbations.shape)
        of_row = rows_of_lines(network, len(perturbations), lines)
        for line in np.unique(of_row):
            rows = of_row == line
            own = of_line(network, int(line))
            found[rows] = velocities(own, perturbations[rows], measured[rows])
        return found
    if n_hidden_of(network):
        return _velocities_beside_hidden(network, perturbations, measured)
    fitted = network.form or FittedForm(EQ_1, {})
    states = measured - offsets(fitted, perturbations)
    with precision_context("float64"):
        rates = _rate(
            fitted.form,
            jnp.asarray(network.weights),
            jnp.log(jnp.asarray(network.amplitudes)),
            jnp.asarray(fitted.table(network.n_nodes)),
            jnp.asarray(perturbations),
            jnp.asarray(states),
        )
        return np.asarray(rates)


# Rounds in which hidden nodes come to rest beside given states, or are taken to have.
_ROUNDS_TO_REST = 200


def _velocities_beside_hidden(
    network: Network, perturbations: Perturbations, measured: Perturbations
) -> np.ndarray:
    """`velocities` of the measured nodes, with hidden ones where their own rates are 0."""
    every, n_nodes = whole(network), network.n_nodes
    more = every.n_nodes - n_nodes
    shown = measured - offsets(network.form, perturbations)
    hidden = np.zeros((len(measured), more))
    form = network.form.form if network.form is not None else EQ_1
    into, curve = every.weights[n_nodes:], _CURVES[form.curve]
    for _ in range(_ROUNDS_TO_REST):
        inputs = np.concatenate([shown, hidden], axis=1) @ into.T
        # Halfway, so that what hidden nodes do to one another does not swing.
        hidden = 0.5 * (hidden + np.asarray(curve(inputs), float))
    states = np.concatenate([measured, hidden], axis=1)
    doses = np.pad(perturbations, ((0, 0), (0, more)))
    return velocities(every, doses, states)[:, :n_nodes]


@partial(jax.jit, static_argnums=(0, 6))
def _solved(form, extras, weights, log_amplitudes, perturbations, times, settings, start, *free):
    def rate(_, state, done):
        doses, *is_free = done
        return _rate(form, weights, log_amplitudes, extras, doses, state, *is_free)

    def of_row(x, *done):
        return solve(rate, done, x, times, settings)

    return jax.vmap(of_row)(start, perturbations, *free)
