"""Equation 1 of the paper, and the parameters it learns.

    dx/dt = α ∘ tanh(W x − u) − x,    x(0) = 0        (Ji et al. 2021, arXiv 2104.06467)

Conventions, which differ from the 2020 CellBox: α multiplies the tanh, not the decay; a
positive u pushes x down; `W[i, j]` is the effect of node j on node i (row = target).
"""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Key


class Parameters(eqx.Module):
    """What training changes: W and α, with α > 0 held by storing its logarithm.

    Of one model, or of several with the lanes' axis first.
    """

    weights: Float[Array, "*lanes n_nodes n_nodes"]
    log_amplitudes: Float[Array, "*lanes n_nodes"]

    @property
    def amplitudes(self) -> Float[Array, "*lanes n_nodes"]:
        """α, the response amplitude of each node."""
        return jnp.exp(self.log_amplitudes)


def initial_parameters(key: Key[Array, ""], n_nodes: int, dtype: jnp.dtype) -> Parameters:
    """Draw a starting point as the paper's code does: W ~ U(0, 0.01), α ~ 0.5 + U(0, 0.01)."""
    for_weights, for_amplitudes = jax.random.split(key)
    weights = jax.random.uniform(for_weights, (n_nodes, n_nodes), dtype, 0.0, 0.01)
    amplitudes = 0.5 + jax.random.uniform(for_amplitudes, (n_nodes,), dtype, 0.0, 0.01)
    return Parameters(weights, jnp.log(amplitudes))


def velocity(
    time: ArrayLike,
    state: Float[Array, "n_nodes *conditions"],
    arguments: tuple[Parameters, Float[Array, "n_nodes *conditions"]],
) -> Float[Array, "n_nodes *conditions"]:
    """dx/dt of Eq. 1, for one condition or for several side by side in the columns."""
    del time
    parameters, perturbations = arguments
    amplitudes = parameters.amplitudes
    if state.ndim == 2:
        amplitudes = amplitudes[:, None]
    return amplitudes * jnp.tanh(parameters.weights @ state - perturbations) - state
