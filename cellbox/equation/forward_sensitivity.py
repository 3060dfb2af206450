"""How the response changes with each entry of W and each amplitude.

The variational equations of Eq. 1, integrated together with it (forward sensitivities; see for
example Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, section I.14).
With z = W x − u and S = ∂x/∂θ:

    dx/dt = α ∘ tanh(z) − x,          x(0) = 0
    dS/dt = A S + ∂f/∂θ,              S(0) = 0,    A = diag(α ∘ sech²(z)) W − I

∂f_i/∂W_ij = α_i sech²(z_i) x_j and ∂f_i/∂α_i = tanh(z_i); all other entries of ∂f/∂θ are 0.
Parameters θ are ordered everywhere alike: W row by row, then α itself, not its logarithm.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from cellbox.arrays import Perturbations, Responses, Times
from cellbox.equation.solver_settings import precision_context
from cellbox.equation.traced_arrays import Scalar, TracedAmplitudes, TracedTimes, TracedWeights
from cellbox.networks.network import Network

RTOL = 1e-7
# Between two measurements; what needs more is too stiff to be worth waiting for.
_MOST_STEPS = 4096
_FIRST_STEP = 0.1


class SensitiveResponse(NamedTuple):
    """A response and its derivatives by W and α, of a row or of several.

    reached: which rows the solver finished; of the others, states and derivatives are not to be
        used.
    """

    states: Float[Array, "*n_rows n_times n_nodes"]
    derivatives: Float[Array, "*n_rows n_times n_nodes n_parameters"]
    reached: Bool[Array, "*n_rows"]


_Sensitivities = tuple[Float[Array, " n"], Float[Array, "n n_weights"], Float[Array, "n n"]]


def sensitivities(
    network: Network, perturbations: Perturbations, times: Times, *, rtol: float = RTOL
) -> tuple[
    Responses,
    Float[np.ndarray, "n_rows n_times n_nodes n_parameters"],
]:
    """The response to each perturbation from x(0) = 0, and its derivatives, in float64.

    times: ascending, in the model's time unit. The last axis of the derivatives is W row by row,
    then α: n_nodes² + n_nodes parameters. A row that the solver could not finish is NaN.
    """
    with precision_context("float64"):
        number = partial(jnp.asarray, dtype=jnp.float64)
        states, jacobian, reached = _on_arrays(
            number(network.weights),
            number(network.amplitudes),
            number(perturbations),
            number(times),
            rtol,
        )
        solved = np.asarray(reached)
        return (
            np.where(solved[:, None, None], np.asarray(states), np.nan),
            np.where(solved[:, None, None, None], np.asarray(jacobian), np.nan),
        )


def state_and_sensitivities(
    weights: TracedWeights,
    amplitudes: TracedAmplitudes,
    perturbations: Float[Array, "n_rows n_nodes"],
    times: TracedTimes,
    rtol: float | Scalar = RTOL,
) -> SensitiveResponse:
    """`sensitivities` on JAX arrays, to be used under `jax.jit`; a pure function of them.

    Computed in the precision of `weights`; float64 needs `precision_context("float64")` around
    the call, and float32 reaches no better than rtol = 1e-5. Times ascend from 0; a repeated one
    costs nothing. Not differentiable itself in reverse mode.
    """
    row = partial(row_and_sensitivities, weights, amplitudes, times=times, rtol=rtol)
    # A core is busy with one row, whose matrix products side by side would be slow loops: for
    # GSD ten times as slow as one after another.
    if jax.default_backend() == "cpu":
        return lax.map(row, perturbations)
    return jax.vmap(row)(perturbations)


_on_arrays = jax.jit(state_and_sensitivities)


def row_and_sensitivities(
    weights: TracedWeights,
    amplitudes: TracedAmplitudes,
    perturbation: TracedAmplitudes,
    *,
    times: TracedTimes,
    rtol: float | Scalar = RTOL,
) -> SensitiveResponse:
    """`state_and_sensitivities` of a single row, for those who sum over rows as they go."""
    n = len(amplitudes)
    start = (
        jnp.zeros(n, weights.dtype),
        jnp.zeros((n, n * n), weights.dtype),
        jnp.zeros((n, n), weights.dtype),
    )
    controller = _FromKnownStep(rtol, rtol / 100, norm=_largest)

    def through(state: _Sensitivities, interval: Float[Array, "2"]):
        # Each interval ends in a step, since Dopri8 interpolates less exactly than it steps.
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(_velocities),
            diffrax.Dopri8(),
            t0=interval[0],
            t1=interval[1],
            dt0=None,
            y0=state,
            args=(weights, amplitudes, perturbation),
            saveat=diffrax.SaveAt(t1=True),
            stepsize_controller=controller,
            # Nothing is kept for a gradient.
            adjoint=diffrax.ForwardMode(),
            max_steps=_MOST_STEPS,
            throw=False,
        )
        end = jax.tree.map(lambda leaf: leaf[0], solution.ys)
        return end, (end, solution.result == diffrax.RESULTS.successful)

    intervals = jnp.stack([jnp.concatenate([jnp.zeros_like(times[:1]), times[:-1]]), times], 1)
    _, ((states, by_weights, by_amplitudes), reached) = lax.scan(through, start, intervals)
    derivatives = jnp.concatenate([by_weights, by_amplitudes], axis=-1)
    return SensitiveResponse(states, derivatives, jnp.all(reached))


class _FromKnownStep(diffrax.PIDController):
    """Begins with a step that Eq. 1 is known to bear.

    `diffeqsolve` compares a step that it is given with the interval, in a callback to Python, and
    JAX keeps no program with a callback for the next process: seconds of compiling in each.
    """

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order):
        del dt0
        return super().init(terms, t0, t1, y0, _FIRST_STEP, args, func, error_order)


def _velocities(
    time: ArrayLike,
    state: _Sensitivities,
    arguments: tuple[Float[Array, "n n"], Float[Array, " n"], Float[Array, " n"]],
) -> _Sensitivities:
    """The right sides of Eq. 1 and of its variational equations (see the module's docstring)."""
    del time
    weights, amplitudes, perturbation = arguments
    x, by_weights, by_amplitudes = state
    n = len(x)
    node = jnp.arange(n)
    saturation = jnp.tanh(weights @ x - perturbation)
    slope = amplitudes * (1 - saturation**2)
    # One product for both: a wide one keeps a core busier than a narrow one.
    both = jnp.concatenate([by_weights, by_amplitudes], axis=1)
    both = (slope[:, None] * weights) @ both - both
    # Only the row of W that leads into a node is a source of that node's own sensitivities.
    source = slope[:, None] * x
    to_weights = both[:, : n * n].reshape(n, n, n).at[node, node].add(source)
    to_amplitudes = both[:, n * n :].at[node, node].add(saturation)
    return amplitudes * saturation - x, to_weights.reshape(n, n * n), to_amplitudes


def _largest(error: _Sensitivities) -> Scalar:
    """The largest error of any number: in a mean, many parameters without effect would hide it."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(error)]))
