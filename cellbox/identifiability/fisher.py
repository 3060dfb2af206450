"""What measured values can tell about W and α: Fisher information and its inverse.

For values measured with independent Gaussian noise of standard deviation σ, the information
about the parameters θ is F = Jᵀ J / σ², with J = ∂x/∂θ at every measured value, and no unbiased
estimator has a covariance below F⁻¹ (Cramér and Rao). Parameters are ordered as in
`cellbox.equation.forward_sensitivity`: W row by row, then α.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cellbox.arrays import Perturbations, Responses, Times, ValueMask
from cellbox.equation.forward_sensitivity import row_and_sensitivities
from cellbox.equation.solver_settings import precision_context
from cellbox.equation.traced_arrays import TracedAmplitudes, TracedTimes, TracedWeights
from cellbox.errors import listed
from cellbox.networks.network import Network

#: Above this condition number of the information matrix, its inverse is not to be trusted.
LARGEST_CONDITION_NUMBER = 1e12

# Errors of J count with the square root of the condition number, so they are to be small.
_RTOL = 1e-9

# Rounding alone gives a determined parameter a smaller share in an undetermined direction.
_SHARE_OF_NOTHING = 1e-8


@dataclass(frozen=True, eq=False)
class Covariance:
    """The inverse of an information matrix, or why there is none.

    variances: its diagonal, None where the information does not determine all parameters.
    condition_number: of the information matrix as it is, its columns not scaled; infinite where
        it is singular.
    reason: why there is no inverse, in a sentence; None where there is one.
    """

    variances: Float[np.ndarray, " n_chosen"] | None
    condition_number: float
    reason: str | None


def information(
    network: Network, perturbations: Perturbations, times: Times, measured: ValueMask | None = None
) -> Float[np.ndarray, "n_parameters n_parameters"]:
    """The Fisher information of W and α together, for noise of standard deviation 1.

    Divide by σ² for another noise. measured: which values were measured; None for all.
    All NaN where the equations could not be solved for some row.
    """
    return states_and_information(network, perturbations, times, measured)[1]


def states_and_information(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    measured: ValueMask | Responses | None = None,
) -> tuple[
    Responses,
    Float[np.ndarray, "n_parameters n_parameters"],
]:
    """The response (log ratio) to each perturbation, and `information`, from one integration.

    measured: also how much each value counts, where some are surer than others: (σ / its error)².
    """
    if measured is None:
        measured = np.ones((len(perturbations), len(times), network.n_nodes), bool)
    conditions, condition_of_row = np.unique(perturbations, axis=0, return_inverse=True)
    condition_of_row = condition_of_row.reshape(-1)
    # Each perturbation is integrated once, however often its values were measured.
    kind = int if measured.dtype == bool else float
    counts = np.zeros((len(conditions), *measured.shape[1:]), kind)
    np.add.at(counts, condition_of_row, measured)
    with precision_context("float64"):
        number = partial(jnp.asarray, dtype=jnp.float64)
        states, summed = _summed(
            number(network.weights),
            number(network.amplitudes),
            (number(conditions), number(counts)),
            number(times),
        )
        return np.asarray(states)[condition_of_row], np.asarray(summed)


_Measured = tuple[
    Float[Array, "n_conditions n_nodes"], Float[Array, "n_conditions n_times n_nodes"]
]
"""Conditions, and how often each of their values was measured, or how much it counts."""


@jax.jit
def _summed(
    weights: TracedWeights, amplitudes: TracedAmplitudes, measured: _Measured, times: TracedTimes
) -> tuple[Float[Array, "n_conditions n_times n_nodes"], Float[Array, "n_parameters n_parameters"]]:
    """States, and Jᵀ J over all measured values: by condition, so that J is never held whole."""
    n = len(amplitudes)

    def add(total: Array, condition: tuple[Array, Array]) -> tuple[Array, Array]:
        perturbation, count = condition
        states, jacobian, reached = row_and_sensitivities(
            weights, amplitudes, perturbation, times=times, rtol=_RTOL
        )
        values = jacobian.reshape(-1, jacobian.shape[-1]) * jnp.sqrt(count.reshape(-1, 1))
        return total + jnp.where(reached, values.T @ values, jnp.nan), states

    nothing = jnp.zeros((n * n + n, n * n + n), weights.dtype)
    total, states = lax.scan(add, nothing, measured)
    return states, total


def covariance(information: Float[np.ndarray, "n_chosen n_chosen"], names: list[str]) -> Covariance:
    """Invert an information matrix, where that can be done.

    names: what its parameters are called in a reason, such as "W[g2, g1]". The matrix is scaled
    to a diagonal of 1 before it is inverted, since W and α are known unequally well; its
    condition number is that of the matrix before.
    """
    if not np.isfinite(information).all():
        return Covariance(None, np.inf, "The equations could not be solved for all conditions")
    diagonal = np.diag(information)
    if (diagonal <= 0).any():
        return Covariance(None, np.inf, _without_effect(diagonal, names))
    ascending, vectors = np.linalg.eigh(information)
    smallest, largest = ascending[0], ascending[-1]
    # Rounding leaves a singular matrix a tiny eigenvalue of either sign.
    condition = largest / smallest if smallest > 0 else np.inf
    if condition > LARGEST_CONDITION_NUMBER:
        return Covariance(None, float(condition), _confounded(condition, vectors[:, 0], names))
    scale = 1 / np.sqrt(diagonal)
    inverse = np.linalg.inv(information * np.outer(scale, scale))
    return Covariance(np.diag(inverse) * scale**2, float(condition), None)


def standard_errors(
    information: Float[np.ndarray, "n_chosen n_chosen"],
) -> Float[np.ndarray, " n_chosen"]:
    """The least standard error of each parameter by itself; infinite where nothing tells it.

    Other than `covariance` this has an answer where some parameters are not determined: those
    that no combination of the undetermined ones contains keep their error. What counts as
    undetermined are directions whose information, with the columns scaled to a diagonal of 1,
    is below 1e-12 of the largest.
    """
    diagonal = np.diag(information)
    errors = np.full(len(diagonal), np.inf)
    seen = np.flatnonzero(diagonal > 0)
    if not len(seen):
        return errors
    scale = 1 / np.sqrt(diagonal[seen])
    values, vectors = np.linalg.eigh(information[np.ix_(seen, seen)] * np.outer(scale, scale))
    told = values > values[-1] / LARGEST_CONDITION_NUMBER
    shares = vectors**2
    variances = (shares[:, told] / values[told]).sum(axis=1) * scale**2
    is_open = shares[:, ~told].sum(axis=1) > _SHARE_OF_NOTHING
    errors[seen] = np.where(is_open, np.inf, np.sqrt(variances))
    return errors


def _without_effect(diagonal: Float[np.ndarray, " n_chosen"], names: list[str]) -> str:
    silent = [names[place] for place in np.flatnonzero(diagonal <= 0)]
    return f"The information matrix is singular: no measured value depends on {listed(silent, 4)}"


def _confounded(
    condition: float, direction: Float[np.ndarray, " n_chosen"], names: list[str]
) -> str:
    """The reason where some combination of parameters is not determined; names the largest."""
    strongest = np.argsort(-np.abs(direction), kind="stable")[:3]
    listed = ", ".join(names[place] for place in strongest)
    found = (
        "is singular"
        if np.isinf(condition)
        else f"has the condition number {condition:.1e}, above {LARGEST_CONDITION_NUMBER:.0e}"
    )
    return (
        f"The information matrix {found}: the data leave a combination of parameters open, "
        f"above all of {listed}"
    )


def parameter_names(nodes: tuple[str, ...]) -> list[str]:
    """What the parameters are called: "W[target, source]" row by row, then "α[node]"."""
    weights = [f"W[{target}, {source}]" for target in nodes for source in nodes]
    return weights + [f"α[{node}]" for node in nodes]
