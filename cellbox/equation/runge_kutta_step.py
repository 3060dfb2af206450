"""One explicit Runge–Kutta step of Eq. 1 for several models, and the same step taken apart.

A step from x of length h, with coefficients a and b of the method (rows of `Method.rows`):

    y_i = x + h Σ_{j<i} a_ij k_j,    k_i = α tanh(W y_i − u) − y_i,    x' = x + h Σ_i b_i k_i

Backward, from the derivative of the loss by x', JAX differentiates the step; only tanh(W y − u) has
a derivative of its own. It gives the derivative by each stage and by each argument of a tanh, z̄_i,
and those by W are then summed over all stages at once: W̄ += Σ_i z̄_i y_iᵀ. The chain rule of the
whole step written by hand saved too little to be kept: this takes 1.02 to 1.04 times as long on LI
(64 lanes), 1.02 on GSD, and 0.99 to 1.04 with 99 nodes (medians of 21 to 40 interleaved calls), and
the gradients are at most 9e-7 apart.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cellbox.equation.lane_layouts import Layout, Matrix, State
from cellbox.equation.tableaus import Method, combine


class System(NamedTuple):
    """Eq. 1 of several lanes, in a layout.

    amplitudes: one number for each lane and node, to be combined with a state.
    """

    weights: Matrix
    amplitudes: Float[Array, "..."]
    perturbations: State


def slope_of(layout: Layout, system: System, state: State) -> State:
    """The right side of Eq. 1."""
    return layout.apart(_velocity, state, *system)


def _velocity(
    layout: Layout,
    state: State,
    weights: Matrix,
    amplitudes: Float[Array, "..."],
    perturbations: State,
) -> State:
    return amplitudes * _tanh_of_drive(layout, state, weights, perturbations) - state


def _tanh_of_drive(layout: Layout, state: State, weights: Matrix, perturbations: State) -> State:
    return jnp.tanh(layout.drive(weights, state) - perturbations)


def make_step(
    method: Method,
    layout: Layout,
    system: System,
    state: State,
    length: Float[Array, "..."],
    slope: State,
) -> tuple[State, State, State]:
    """The new state, the slope there, and the estimated error of one step.

    length: of each lane's step, to be combined with a state (`Layout.per_lane`).
    slope: where the step begins.
    """
    slopes = [slope]
    new = state
    for row in method.rows:
        new = state + length * combine(row, slopes)
        slopes.append(slope_of(layout, system, new))
    return new, slopes[-1], length * combine(method.error, slopes)


def take_apart(
    method: Method,
    layout: Layout,
    system: System,
    state: State,
    length: Float[Array, "..."],
    by_new: State,
) -> tuple[State, State, list[State], list[State]]:
    """The loss by what a step began with, from `by_new`, the loss by the state it led to.

    Returns the loss by the state, by α at each node and condition, and by the argument of each
    stage's tanh; and the stages.
    """

    def step(state: State, amplitudes: State, nudges: list[State]) -> tuple[State, list[State]]:
        stages, slopes = [state], []
        for row, nudge in zip(method.rows, nudges, strict=True):
            saturation = _saturation(
                layout, stages[-1], system.weights, system.perturbations, nudge
            )
            slopes.append(amplitudes * saturation - stages[-1])
            stages.append(state + length * combine(row, slopes))
        return stages[-1], stages[:-1]

    nothing = [jnp.zeros_like(state)] * len(method.rows)
    amplitudes = jnp.broadcast_to(system.amplitudes, state.shape)
    _, pull, stages = jax.vjp(step, state, amplitudes, nothing, has_aux=True)
    return (*pull(by_new), stages)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _saturation(
    layout: Layout, state: State, weights: Matrix, perturbations: State, nudge: State
) -> State:
    """tanh(W x − u), whose argument has a derivative of its own: that by the nudge, which is 0."""
    del nudge
    return layout.apart(_tanh_of_drive, state, weights, perturbations)


def _saturation_forward(
    layout: Layout, state: State, weights: Matrix, perturbations: State, nudge: State
) -> tuple[State, tuple[State, Matrix]]:
    saturation = _saturation(layout, state, weights, perturbations, nudge)
    return saturation, (saturation, weights)


def _saturation_backward(
    layout: Layout, residuals: tuple[State, Matrix], by_saturation: State
) -> tuple[State, None, None, State]:
    saturation, weights = residuals
    by_inner = (1 - saturation**2) * by_saturation
    return layout.apart(_pull, by_inner, weights), None, None, by_inner


_saturation.defvjp(_saturation_forward, _saturation_backward)


def _pull(layout: Layout, by_inner: State, weights: Matrix) -> State:
    return layout.transposed_drive(weights, by_inner)
