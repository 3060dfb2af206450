"""Random networks as starts of least squares, many side by side, where other starts do not do.

Responses that turn around between two measurements (strong oscillators) have many valleys, and a
descent or a regression ends in the next best one. A start drawn at random is in the right one with
a small chance: 2 to 10 in 100 for a repressilator of three nodes with |W| = 3. So many are drawn,
and each is fitted from every measurement to the next, which noise biases but whose valleys are wide
(`cellbox.equation.interval_flow`): a Levenberg-Marquardt step of all of them costs one batch of
small matrix products. What explains the data by intervals is then refined like any other start.

Values that were not measured follow from the value before them.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cellbox.arrays import EdgeMask
from cellbox.equation.interval_flow import steps_for, traced_ends, traced_flow
from cellbox.equation.solver_settings import precision_context
from cellbox.equation.traced_arrays import Scalar, TracedAmplitudes, TracedWeights
from cellbox.networks.network import Network, possible_edges
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.regression_start import amplitude_guess

# Starts that are fitted side by side, and how often that is repeated at most.
_MOST_SIDE_BY_SIDE, _MOST_BATCHES = 32, 16

# Numbers of the derivatives of all starts side by side, and operations of all batches, that a
# search may take: about 200 MB, and about one and a half minutes of one core.
_MOST_NUMBERS, _MOST_OPERATIONS = 2**24, 2e11

# Fewer starts than this would find little.
_FEWEST_STARTS = 8

# Levenberg-Marquardt steps of each start, and the damping of the first.
_STEPS, _DAMPING = 30, 10.0

# Standard deviations of the entries of a start's W are drawn between these, and of each row about
# so many entries are not zero.
_SCALES = (0.5, 4.0)
_REGULATORS = 2.0

# Rows are padded to multiples of this.
_ROWS = 8

# Ridge on W and log α, as a share of the mean square of the measurements.
_RIDGE = 1e-4

# Starts whose sums of squares differ by less than this share have reached the same optimum; where
# half of all have reached the best one, there is hardly a better one to be found.
_SAME, _COMMON = 0.01, 0.5

# Fits whose parameters differ by less than this share of their size are taken for one.
_ALIKE = 0.1

# How many are handed on at most, and how much worse than the best by intervals they may be.
_MOST_KEPT, _WORST_KEPT = 3, 1.5


class RandomStarts(NamedTuple):
    """The networks that random starts came to, the best first, and how many starts there were."""

    networks: tuple[Network, ...]
    n_starts: int


class _Intervals(eqx.Module):
    """Measured series, time after time; 0 where nothing was measured, as in rows that only pad."""

    perturbations: Float[Array, "n_rows n_nodes"]
    measurements: Float[Array, "n_times n_rows n_nodes"]
    measured: Float[Array, "n_times n_rows n_nodes"]
    durations: Float[Array, " n_times"]
    free: Float[Array, " n_parameters"]


def random_starts(
    problem: MultipleShooting,
    nodes: tuple[str, ...],
    allowed_edges: EdgeMask | None = None,
    *,
    enough: float,
    seed: int = 0,
) -> RandomStarts:
    """Networks that explain the measured intervals, from random ones.

    allowed_edges: which entries of W may differ from zero; all by default.
    enough: a mean square of what is left (log ratio squared) with which the search may end.

    The search also ends when half of the starts have reached the best optimum. No network
    comes back where even a few starts would take too long, nor those that cannot be solved.
    """
    n_lanes, n_batches = _affordable(problem)
    if not n_batches:
        return RandomStarts((), 0)
    allowed = possible_edges(problem.n_nodes, allowed_edges)
    random = np.random.default_rng(seed)
    fits = _Fits([], [])
    with precision_context("float64"):
        intervals = _intervals(problem, allowed)
        ridge = jnp.asarray(_RIDGE * np.nanmean(problem.measurements**2))
        for _ in range(n_batches):
            starts = jnp.asarray(_drawn(problem, allowed, n_lanes, random))
            parameters, values = _fitted(starts, intervals, ridge, _n_steps(problem))
            fits.add(np.asarray(parameters), np.asarray(values))
            if fits.best <= enough * problem.n_values or fits.share_at_best >= _COMMON:
                break
    networks = (_network(one, nodes) for one in fits.different())
    return RandomStarts(tuple(networks), len(fits.values))


class _Fits(NamedTuple):
    """What starts came to, and the sums of squares there; infinite where it cannot be solved."""

    parameters: list[Float[np.ndarray, " n_parameters"]]
    values: list[float]

    def add(
        self,
        parameters: Float[np.ndarray, "n_starts n_parameters"],
        values: Float[np.ndarray, " n_starts"],
    ) -> None:
        """Add those of one batch."""
        self.parameters.extend(parameters)
        self.values.extend(np.where(np.isfinite(values), values, np.inf).tolist())

    @property
    def best(self) -> float:
        """The smallest sum of squares."""
        return min(self.values)

    @property
    def share_at_best(self) -> float:
        """The share of all starts that came to the best optimum."""
        return float(np.mean(np.array(self.values) <= self.best * (1 + _SAME)))

    def different(self) -> list[Float[np.ndarray, " n_parameters"]]:
        """Of those nearly as good as the best one of each kind, the best first."""
        kept: list[np.ndarray] = []
        for place in np.argsort(self.values, kind="stable"):
            if len(kept) == _MOST_KEPT or self.values[place] > _WORST_KEPT * self.best:
                break
            one = self.parameters[place]
            if np.isfinite(self.values[place]) and not any(_alike(one, other) for other in kept):
                kept.append(one)
        return kept


def _alike(
    one: Float[np.ndarray, " n_parameters"], other: Float[np.ndarray, " n_parameters"]
) -> bool:
    """Whether two fits have come, or are about to come, to the same network."""
    return bool(np.linalg.norm(one - other) <= _ALIKE * np.linalg.norm(one))


def _affordable(problem: MultipleShooting) -> tuple[int, int]:
    """How many starts side by side, and how often; 0 where even a few would take too long."""
    n_nodes, n_values = problem.n_nodes, problem.measurements.size
    n_parameters = n_nodes**2 + n_nodes
    n_lanes = min(_MOST_SIDE_BY_SIDE, max(1, _MOST_NUMBERS // (n_values * n_parameters)))
    # Of a step: the flow through all intervals, and the products of the derivatives.
    through = 20 * n_values * n_nodes**2 * _n_steps(problem)
    operations = _STEPS * (through + n_values * n_parameters**2)
    n_starts = int(min(_MOST_OPERATIONS / operations, _MOST_SIDE_BY_SIDE * _MOST_BATCHES))
    return (n_lanes, max(1, n_starts // n_lanes)) if n_starts >= _FEWEST_STARTS else (0, 0)


def _n_steps(problem: MultipleShooting) -> int:
    """Runge-Kutta steps of an interval: half as many as the refinement takes."""
    return max(4, steps_for(np.diff(problem.times, prepend=0.0)) // 8 * 4)


def _intervals(problem: MultipleShooting, allowed: EdgeMask) -> _Intervals:
    # Data of similar size share one program.
    padding = (0, -len(problem.perturbations) % _ROWS)
    measured = np.pad(np.moveaxis(problem.measured, 1, 0), ((0, 0), padding, (0, 0)))
    measurements = np.pad(np.moveaxis(problem.measurements, 1, 0), ((0, 0), padding, (0, 0)))
    perturbations = np.pad(problem.perturbations, (padding, (0, 0)))
    free = np.concatenate([allowed.ravel(), np.ones(problem.n_nodes, bool)])
    return _Intervals(
        perturbations=jnp.asarray(perturbations),
        measurements=jnp.asarray(np.where(measured, measurements, 0.0)),
        measured=jnp.asarray(measured * 1.0),
        durations=jnp.asarray(np.diff(problem.times, prepend=0.0)),
        free=jnp.asarray(free * 1.0),
    )


def _drawn(
    problem: MultipleShooting, allowed: EdgeMask, n_starts: int, random: np.random.Generator
) -> Float[np.ndarray, "n_starts n_parameters"]:
    """Random networks: W, then log α, which is guessed from the data."""
    n_nodes = problem.n_nodes
    shape = (n_starts, n_nodes, n_nodes)
    least, most = np.log(_SCALES)
    scales = np.exp(random.uniform(least, most, size=(n_starts, 1, 1)))
    present = allowed & (random.random(shape) < _REGULATORS / n_nodes)
    weights = scales * random.standard_normal(shape) * present
    log_amplitudes = np.broadcast_to(np.log(amplitude_guess(problem)), (n_starts, n_nodes))
    return np.concatenate([weights.reshape(n_starts, -1), log_amplitudes], axis=1)


def _network(parameters: Float[np.ndarray, " n_parameters"], nodes: tuple[str, ...]) -> Network:
    n_weights = len(nodes) ** 2
    weights = parameters[:n_weights].reshape(len(nodes), len(nodes))
    return Network(nodes, weights, np.exp(parameters[n_weights:]))


@partial(jax.jit, static_argnums=3)
def _fitted(
    starts: Float[Array, "n_starts n_parameters"],
    intervals: _Intervals,
    ridge: Scalar,
    n_steps: int,
) -> tuple[Float[Array, "n_starts n_parameters"], Float[Array, " n_starts"]]:
    """Where damped Gauss-Newton steps lead from each start, and the sums of squares there."""

    def objective(parameters: Array) -> Array:
        residuals = _through(parameters, intervals, n_steps)
        return jnp.sum(residuals**2) + ridge * jnp.sum(parameters**2)

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        parameters, damping, value = carry
        residuals, by_parameters = _linearised(parameters, intervals, n_steps)
        curvature = by_parameters.T @ by_parameters + ridge * jnp.eye(len(parameters))
        gradient = by_parameters.T @ residuals + ridge * parameters
        damped = curvature + damping * jnp.diag(jnp.diag(curvature))
        moved = parameters - intervals.free * jnp.linalg.solve(damped, gradient)
        reached = objective(moved)
        better = reached < value
        return (
            jnp.where(better, moved, parameters),
            jnp.clip(jnp.where(better, damping / 5, damping * 6), 1e-8, 1e8),
            jnp.where(better, reached, value),
        ), None

    def fit(start: Array) -> tuple[Array, Array]:
        first = (start, jnp.asarray(_DAMPING), objective(start))
        (parameters, _, value), _ = jax.lax.scan(step, first, None, length=_STEPS)
        return parameters, value

    return jax.vmap(fit)(starts)


def _through(
    parameters: Float[Array, " n_parameters"], intervals: _Intervals, n_steps: int
) -> Float[Array, "n_times n_rows n_nodes"]:
    """Predicted minus measured values, 0 where nothing was measured."""
    weights, amplitudes = _split(parameters, intervals)

    def advance(state: Array, interval: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        measurements, measured, duration = interval
        batch = (state, intervals.perturbations, jnp.full(len(state), duration))
        (end,) = traced_ends(weights, amplitudes, batch, n_steps)
        apart = measured * (end - measurements)
        return end - apart, apart

    start = jnp.zeros_like(intervals.perturbations)
    series = (intervals.measurements, intervals.measured, intervals.durations)
    return jax.lax.scan(advance, start, series)[1]


def _linearised(
    parameters: Float[Array, " n_parameters"], intervals: _Intervals, n_steps: int
) -> tuple[Float[Array, " n_values"], Float[Array, "n_values n_parameters"]]:
    """`_through`, and its derivatives by the free parameters."""
    weights, amplitudes = _split(parameters, intervals)

    def advance(carry: tuple[Array, Array], interval: tuple[Array, Array, Array]):
        state, by_before = carry
        measurements, measured, duration = interval
        batch = (state, intervals.perturbations, jnp.full(len(state), duration))
        end, by_start, by_parameters = traced_flow(weights, amplitudes, batch, n_steps)
        by_now = jnp.einsum("rij,rjp->rip", by_start, by_before) + by_parameters
        apart = measured * (end - measurements)
        # What was measured is where the next interval begins, whatever the parameters.
        kept = (1.0 - measured)[..., None] * by_now
        return (end - apart, kept), (apart, measured[..., None] * by_now * intervals.free)

    start = jnp.zeros_like(intervals.perturbations)
    by_nothing = jnp.zeros((*start.shape, len(parameters)))
    series = (intervals.measurements, intervals.measured, intervals.durations)
    _, (residuals, by_parameters) = jax.lax.scan(advance, (start, by_nothing), series)
    return residuals.ravel(), by_parameters.reshape(-1, len(parameters))


def _split(
    parameters: Float[Array, " n_parameters"], intervals: _Intervals
) -> tuple[TracedWeights, TracedAmplitudes]:
    """W and α."""
    n_nodes = intervals.perturbations.shape[1]
    weights = parameters[: n_nodes**2].reshape(n_nodes, n_nodes)
    return weights, jnp.exp(parameters[n_nodes**2 :])
