"""Gradients of the same loss as other people would write them with diffrax."""

from __future__ import annotations

from typing import Any

import diffrax
import jax
import jax.numpy as jnp

# Plain tuples of W and log α, as anyone would have them.
Weights = Any


def velocity(time: Any, state: Any, arguments: Any) -> Any:
    """Eq. 1 for one condition (n_nodes,) or several (n_nodes, n_conditions)."""
    (weights, log_amplitudes), perturbation = arguments
    amplitudes = jnp.exp(log_amplitudes)
    if state.ndim == 2:
        amplitudes = amplitudes[:, None]
    return amplitudes * jnp.tanh(weights @ state - perturbation) - state


def solve(
    velocity: Any, parameters: Any, perturbation: Any, times: Any, controller: Any, dt0: Any = None
) -> Any:
    """The states at `times` from 0, with diffrax's own defaults."""
    return diffrax.diffeqsolve(
        diffrax.ODETerm(velocity),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=dt0,
        y0=jnp.zeros_like(perturbation),
        args=(parameters, perturbation),
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=controller,
        adjoint=diffrax.RecursiveCheckpointAdjoint(),
        max_steps=4096,
    ).ys


def idiomatic_loss(parameters: Any, perturbations: Any, times: Any, measured: Any) -> Any:
    """One ODE for each condition under vmap: what a user would write.

    perturbations: (n_conditions, n_nodes); measured: (n_conditions, n_times, n_nodes).
    """
    controller = diffrax.PIDController(rtol=1e-3, atol=1e-6)
    predicted = jax.vmap(lambda u: solve(velocity, parameters, u, times, controller))(perturbations)
    return jnp.mean(jnp.abs(predicted - measured))


def best_loss(parameters: Any, perturbations: Any, times: Any, measured: Any) -> Any:
    """One ODE for a model, all conditions in its state, with one step size for the worst."""

    def worst_condition(error: Any) -> Any:
        return jnp.sqrt(jnp.max(jnp.mean(error**2, axis=0)))

    controller = diffrax.PIDController(rtol=1e-3, atol=1e-6, norm=worst_condition)
    predicted = solve(velocity, parameters, perturbations.T, times, controller, 0.5)
    return jnp.mean(jnp.abs(predicted - measured.transpose(1, 2, 0)))
