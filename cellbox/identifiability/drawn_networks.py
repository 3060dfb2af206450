"""Networks that the same experiment might have led to with other noise.

Each row of W and its amplitude is drawn as its row block says
(`cellbox.identifiability.row_information`): of the edges that a network has, or around the least
squares of all edges, and then left without those that the Bayesian information criterion would
leave out, so that draws differ in which edges they have, as fits would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import EdgeMask, Perturbations, Responses, Times
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.identifiability.row_information import Factors, RowDerivatives, factors_after
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import is_large
from cellbox.refinement.refined import PRIOR_DEVIATION
from cellbox.refinement.whole_courses import Series, slope_and_blocks

# Conditions whose derivatives are held at once.
_AT_ONCE = 32

# Standard deviations of the prior on log α: where nothing is known of it, and the smallest. (That
# on entries of W is `PRIOR_DEVIATION`.)
AMPLITUDE_DEVIATION, _ALIKE = 0.5, 0.03


def drawn_around(
    problem: MultipleShooting,
    centres: Sequence[Network],
    noise: float,
    allowed: EdgeMask,
    n_members: int,
    seed: int,
) -> tuple[Network, ...]:
    """Networks that the same experiment might have led to, whatever edges they have."""
    random = np.random.default_rng(seed)
    drawn: list[Network] = []
    for number, centre in enumerate(centres):
        count = len(range(number, n_members, len(centres)))
        # In large networks the edges are those of the fit: to choose anew takes minutes.
        if is_large(problem.n_nodes):
            drawn += drawn_with_its_edges(problem, centre, noise, count, random)
            continue
        factors = _factors_of(problem, centre, noise, allowed)
        middle = _as_rows(centre) + _step(problem, centre, factors, noise)
        values = _around(middle, factors, count, random)
        values = _without_weak(values, factors, math.log(max(2, problem.n_values)))
        drawn += [_network(centre.nodes, one) for one in values]
    return tuple(drawn)


def drawn_with_its_edges(
    problem: MultipleShooting,
    network: Network,
    noise: float,
    n_drawn: int,
    random: np.random.Generator,
) -> tuple[Network, ...]:
    """Networks with the edges of this one, as far as these data leave their weights open.

    noise: standard deviation of a measured value (log ratio).
    """
    n = problem.n_nodes
    drawn = np.broadcast_to(_as_rows(network), (n_drawn, n, n + 1)).copy()
    for node, (own, precision) in enumerate(_own_precisions(problem, network, noise)):
        root = np.linalg.cholesky(precision)
        normal = random.standard_normal((len(own), n_drawn))
        drawn[:, node, own] += np.linalg.solve(root.T, normal).T
    return tuple(_network(network.nodes, one) for one in drawn)


def _own_precisions(
    problem: MultipleShooting, network: Network, noise: float
) -> list[tuple[Int[np.ndarray, " n_own"], Float[np.ndarray, "n_own n_own"]]]:
    """Of each row the places of its edges and its amplitude, and what the data tell of these.

    A few conditions at a time: derivatives by all entries of W take n² numbers a value.
    """
    n = problem.n_nodes
    own = [np.append(np.flatnonzero(row), n) for row in network.weights]
    amplitudes = alikeness(network) ** -2
    precisions = [
        np.diag(np.append(np.full(len(places) - 1, PRIOR_DEVIATION**-2), amplitudes))
        for places in own
    ]
    derivatives = RowDerivatives([network], problem.times)
    counted = problem.measured * problem.root_precision / noise
    for first in range(0, len(problem.perturbations), _AT_ONCE):
        part = np.s_[first : first + _AT_ONCE]
        [values] = derivatives(problem.perturbations[part])
        for node, places in enumerate(own):
            told = values[node][..., places].astype(float)
            told = np.where(np.isfinite(told), told, 0.0) * counted[part, :, node, None]
            flat = told.reshape(-1, len(places))
            precisions[node] += flat.T @ flat
    return list(zip(own, precisions, strict=True))


def _factors_of(
    problem: MultipleShooting, network: Network, noise: float, allowed: EdgeMask
) -> Float[np.ndarray, "n_nodes row row"]:
    """What the data tell of each row of W and its amplitude, were this the true network."""
    [factors] = row_factors(
        [network],
        problem.perturbations,
        problem.measured * problem.root_precision,
        problem.times,
        noise,
        allowed,
        alikeness(network),
    )
    return factors


def _as_rows(network: Network) -> Float[np.ndarray, "n_nodes row"]:
    """Rows of W, each with its log α behind it."""
    return np.concatenate([network.weights, np.log(network.amplitudes)[:, None]], axis=1)


def _network(nodes: tuple[str, ...], rows: Float[np.ndarray, "n_nodes row"]) -> Network:
    return Network(nodes, rows[:, :-1], np.exp(np.clip(rows[:, -1], -7, 7)))


def _around(
    middle: Float[np.ndarray, "n_nodes row"],
    factors: Float[np.ndarray, "n_nodes row row"],
    n_drawn: int,
    random: np.random.Generator,
) -> Float[np.ndarray, "n_drawn n_nodes row"]:
    normal = random.standard_normal((n_drawn, *middle.shape))
    return middle + (factors @ normal[..., None])[..., 0]


def _step(
    problem: MultipleShooting,
    centre: Network,
    factors: Float[np.ndarray, "n_nodes row row"],
    noise: float,
) -> Float[np.ndarray, "n_nodes row"]:
    """From a network to the least squares of all edges, row by row; 0 where that is far away."""
    with precision_context("float64"):
        parameters = Parameters(
            jnp.asarray(centre.weights), jnp.log(jnp.asarray(centre.amplitudes))
        )
        slope, _ = slope_and_blocks(parameters, Series.of(problem))
        downhill = -np.concatenate(
            [np.asarray(slope.weights), np.asarray(slope.log_amplitudes)[:, None]], axis=1
        )
    step = factors @ (np.swapaxes(factors, 1, 2) @ downhill[..., None]) / noise**2
    step = step[..., 0]
    deviations = np.sqrt((factors**2).sum(axis=2))
    believable = np.isfinite(step) & (np.abs(step) < 3 * deviations)
    return np.where(believable, step, 0.0)


def _without_weak(
    values: Float[np.ndarray, "n_members n_nodes row"],
    factors: Float[np.ndarray, "n_nodes row row"],
    least: float,
) -> Float[np.ndarray, "n_members n_nodes row"]:
    """Leave weights out of each row, the least certain first, while value² / variance is below.

    The others move to where they are best without it, as in `cellbox.refinement.edge_selection`.
    """
    n_members, n, width = values.shape
    covariances = np.broadcast_to(
        factors @ np.swapaxes(factors, 1, 2), (n_members, n, width, width)
    ).reshape(-1, width, width)
    left, rows = values.reshape(-1, width), np.arange(n_members * n)
    covariances = covariances.copy()
    for _ in range(width - 1):
        variances = np.diagonal(covariances, axis1=1, axis2=2)[:, :-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            loss = np.where(variances > 1e-12, left[:, :-1] ** 2 / variances, np.inf)
        out = np.argmin(loss, axis=1)
        going = loss[rows, out] < least
        if not going.any():
            break
        columns = (
            covariances[rows, :, out] / np.maximum(covariances[rows, out, out], 1e-300)[:, None]
        )
        columns *= going[:, None]
        covariances = covariances - columns[:, :, None] * covariances[rows, out][:, None, :]
        left = left - columns * left[rows, out][:, None]
        left[rows[going], out[going]] = 0.0
    return left.reshape(values.shape)


def row_factors(
    networks: Sequence[Network],
    perturbations: Perturbations,
    counted: Responses,
    times: Times,
    noise: float,
    allowed: EdgeMask,
    amplitude_deviation: float,
) -> Factors:
    """What an experiment tells of each row, were each of these the true network.

    counted: (n_rows, n_times, n_nodes), 0 where nothing was measured, else how sure a value is
    beside the noise. amplitude_deviation: of the prior on log α.
    """
    n = perturbations.shape[1]
    deviations = np.full((len(networks), n, n + 1), amplitude_deviation)
    deviations[..., :n] = PRIOR_DEVIATION * allowed
    derivatives = RowDerivatives(networks, times)(perturbations)
    return factors_after(derivatives, counted, deviations, noise)


def alikeness(network: Network) -> float:
    """How different amplitudes are, as the standard deviation of log α: what others tell of each.

    Least squares drew them together as far as the data say
    (`cellbox.refinement.amplitude_pooling`).
    """
    return float(np.clip(np.std(np.log(network.amplitudes)), _ALIKE, AMPLITUDE_DEVIATION))
