"""How well W could be recovered at best from an experiment on a known network.

The Cramér–Rao bound: no unbiased estimator of W and α has a smaller variance than the inverse
of their Fisher information (`cellbox.identifiability.fisher`). Penalties such as L1 make an
estimator biased, and a biased one may do better than the bound; that W is sparse is such knowledge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, Times, ValueMask
from cellbox.errors import InputError, Problem
from cellbox.identifiability.fisher import covariance, information, parameter_names
from cellbox.networks.network import Network, check_numbers
from cellbox.threads import in_one_thread

HOLDS_FOR = (
    "Bounds for unbiased estimators of W and the amplitudes together, with Gaussian noise; "
    "with the true zeros known it is for those who are told them. Estimators that use further "
    "knowledge, as that amplitudes are alike, may do better."
)


@dataclass(frozen=True)
class Bound:
    """The smallest error of W that unbiased estimators can reach, over all its entries.

    rmse: root of the mean variance of all n_nodes² entries of W; known zeros have none.
    r: √(var W / (var W + mean variance)), the Pearson correlation with the true W that such an
        error leaves.
    reason: why rmse and r are None, in a sentence; else None.
    condition_number: of the information matrix, its columns not scaled.
    """

    rmse: float | None
    r: float | None
    reason: str | None
    condition_number: float


def recovery_bound(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    noise: float,
    *,
    known_support: bool,
    measured: ValueMask | None = None,
) -> Bound:
    """The bound for an experiment on a known network.

    times: ascending, in the model's time unit. noise: standard deviation of the Gaussian noise
    on every measured value. known_support: whether the estimator is told which entries of W are
    zero. measured: which values were measured; None for all.

    Raises InputError for a noise that is not positive, or arrays that do not fit.
    """
    _check(network, perturbations, times, noise, measured)
    matrix = information(network, perturbations, times, measured)
    return _bound(network, matrix, noise, known_support)


@in_one_thread
def recovery_bounds(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    noise: float,
    measured: ValueMask | None = None,
) -> dict[str, Any]:
    """Both bounds as plain values for JSON: without and with the true zeros known.

    The names are an interface: rmse, r, reason and condition_number, and the same with
    _known_support; a number that does not exist is None. Arguments as in `recovery_bound`.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> bounds = cellbox.recovery_bounds(network, data.perturbations[:6], data.times, 0.01)
        >>> bool(0 < bounds["r"] < bounds["r_known_support"] < 1)
        True
    """
    _check(network, perturbations, times, noise, measured)
    matrix = information(network, perturbations, times, measured)
    found: dict[str, Any] = {}
    for known_support, ending in ((False, ""), (True, "_known_support")):
        bound = _bound(network, matrix, noise, known_support)
        condition = bound.condition_number
        found |= {
            f"rmse{ending}": bound.rmse,
            f"r{ending}": bound.r,
            f"reason{ending}": bound.reason,
            f"condition_number{ending}": condition if np.isfinite(condition) else None,
        }
    return {**found, "noise": float(noise), "holds_for": HOLDS_FOR}


def _bound(
    network: Network,
    matrix: Float[np.ndarray, "n_parameters n_parameters"],
    noise: float,
    known_support: bool,
) -> Bound:
    names = np.array(parameter_names(network.nodes))
    n_weights = network.weights.size
    chosen = np.ones(len(names), bool)
    if known_support:
        chosen[:n_weights] = network.weights.ravel() != 0
    inverse = covariance(matrix[np.ix_(chosen, chosen)] / noise**2, list(names[chosen]))
    if inverse.variances is None:
        return Bound(None, None, inverse.reason, inverse.condition_number)
    of_weights = inverse.variances[: int(chosen[:n_weights].sum())]
    mean_variance = float(of_weights.sum() / n_weights)
    spread = float(np.var(network.weights))
    return Bound(
        rmse=float(np.sqrt(mean_variance)),
        r=float(np.sqrt(spread / (spread + mean_variance))),
        reason=None,
        condition_number=inverse.condition_number,
    )


def _check(
    network: Network,
    perturbations: np.ndarray,
    times: np.ndarray,
    noise: float,
    measured: np.ndarray | None,
) -> None:
    """Refuse a network, a noise and arrays for which there is no bound."""
    check_numbers(network)
    problems = []
    if not (np.isfinite(noise) and noise > 0):
        fix = "Give the standard deviation of a measured value, such as 0.01"
        problems.append(Problem("noise", f"expected a number above 0, found {noise}", fix))
    if perturbations.ndim != 2 or perturbations.shape[1] != network.n_nodes:
        found = f"expected shape (rows, {network.n_nodes}), found {perturbations.shape}"
        fix = "Give one column for each node of the network"
        problems.append(Problem("perturbations", found, fix))
    shape = (len(perturbations), len(times), network.n_nodes)
    if measured is not None and measured.shape != shape:
        found = f"expected shape {shape}, found {measured.shape}"
        problems.append(Problem("measured", found, "Give rows × times × nodes"))
    if problems:
        raise InputError(problems)
