"""A fit through whole courses that a prior on weights and amplitudes holds back.

It minimises

    Σ residual² + Σ λ_ij W_ij² + 10 λ Σ (log α_i − expected_i)²

by Gauss-Newton steps (`cellbox.refinement.whole_courses`), with λ_ij and what amplitudes are
expected to be as the prior says.
"""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from cellbox.arrays import EdgeMask, EdgeValues, NodeMask, NodeValues, Responses, RowNumbers
from cellbox.equation.dynamics import Parameters
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.rounds import is_heard, tell_round
from cellbox.refinement.whole_courses import (
    Penalty,
    Series,
    gauss_newton_step,
    residuals,
    row_blocks,
    sum_of_squares,
)

# δ of the penalty for few edges: entries of W well below it are no edges.
_SMALL = 0.05

# The longest step of a fit that chooses, in the model's time unit; RK4 is stable up to 2.8 over
# the fastest rate.
_COARSE_STEP = 1.0

# A search has arrived when a step gains less than this share.
_SETTLED = 3e-3

# What steps that long may change predictions by, as a share of the measurements' root mean square,
# without another fit in fine ones; and the steps of that.
_STEP_ERROR, _FINE_STEPS = 5e-3, 3

# How exactly the equations of a step are solved.
_TOLERANCE, _MOST_PRODUCTS = 1e-2, 12

# Expected log α are drawn to this much more strongly than W to 0.
_AMPLITUDES = 10.0

# An amplitude is expected to be no less than this share of the largest response of all.
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Prior:
    """What weights and amplitudes are expected to be, before any datum.

    headroom: expected amplitude as a multiple of a node's largest response; None for one amplitude
        for all nodes, a little above the largest response of all.
    freedom: penalty of the weights of perturbed nodes, as a share of the others'.
    sparse: whether small weights are drawn to zero more strongly than large ones.
    robust: whether large residuals count by their size rather than by their square.
    known: how much less edges are drawn to zero that are said to exist: the penalty of one that is
        sure is exp(-known) times that of another.
    """

    headroom: float | None = 3.0
    freedom: float = 1.0
    sparse: bool = False
    robust: bool = False
    known: float = 0.0


class PenalisedFit:
    """Fits of one prior to the data without some rows, at one strength after the other.

    start: no edges, and the expected amplitudes. scale: how sharply the data determine a weight on
    average, in squared log ratio. confidence: in each edge that is said to exist, else 0.
    """

    def __init__(
        self,
        problem: MultipleShooting,
        allowed: EdgeMask,
        prior: Prior,
        left_out: RowNumbers | None,
        confidence: EdgeValues | None = None,
    ):
        self._problem, self._prior = problem, prior
        kept = np.ones(len(problem.perturbations))
        if left_out is not None:
            kept[left_out] = 0.0
        self._kept = kept[:, None, None]
        self._every = Series.of(problem, _COARSE_STEP)
        self._fitted = self._weighted(self._every, None)
        self._free = jnp.asarray(allowed)
        expected, is_input = _expected_amplitudes(problem, allowed, prior)
        self.start = Parameters(
            jnp.zeros(allowed.shape), jnp.asarray(np.log(expected), jnp.result_type(float))
        )
        # Rows without any edge have an amplitude that the data tell, if anything does.
        self._trust = np.where(is_input, 1e-3, 1.0)
        perturbed = (problem.perturbations != 0).any(axis=0)
        self._share = np.where(perturbed, prior.freedom, 1.0)[None, :]
        if prior.known and confidence is not None:
            self._share = self._share * np.exp(-prior.known * confidence)
        mean_square = float(np.nanmean(problem.measurements**2))
        rows = problem.n_values / problem.n_nodes
        self.scale = max(float((expected**2).mean() * mean_square * rows), 1e-12)
        self.n_steps = 0

    def descend(self, point: Parameters, strength: float, most_steps: int) -> Parameters:
        """Steps at this strength, until one gains little."""
        damping = 1e-2
        for _ in range(most_steps):
            series = self._reweighted(point)
            penalty = self._penalty(point, strength)
            moved, gained, shortened = self._step(point, series, penalty, damping)
            if gained is None:
                damping = min(damping * 30, 1e3)
                continue
            point = moved
            damping = max(damping * (0.5 if shortened else 0.1), 1e-3)
            if is_heard():
                left = float((self.residuals(point) ** 2).sum())
                tell_round(np.sqrt(left / self._problem.n_values), int(self._free.sum()))
            if gained < _SETTLED:
                break
        return point

    def residuals(self, point: Parameters) -> Responses:
        """Predicted minus measured values of all rows, 0 where nothing was measured."""
        apart = np.asarray(residuals(point, self._every, jnp.zeros(())))
        return np.moveaxis(apart, -1, 0)[: len(self._kept)]

    def finely(self, point: Parameters, strength: float) -> tuple[Parameters, float]:
        """The fit in fine steps, and the root mean square of its residuals.

        point: the fit in coarse steps, which stays where fine ones hardly change what it predicts.
        """
        point = jax.tree.map(lambda value: jnp.asarray(np.asarray(value), float), point)
        coarse = self.residuals(point)
        self._every = Series.of(self._problem)
        self._fitted = self._weighted(self._every, None)
        apart = np.sqrt(np.mean((self.residuals(point) - coarse) ** 2))
        if not apart <= _STEP_ERROR * np.sqrt(np.nanmean(self._problem.measurements**2)):
            point = self.descend(point, strength, _FINE_STEPS)
        total = float((self.residuals(point) ** 2).sum())
        return point, float(np.sqrt(total / self._problem.n_values))

    def _step(
        self, point: Parameters, series: Series, penalty: Penalty, damping: float
    ) -> tuple[Parameters, float | None, bool]:
        """One step, shortened until it helps, and the share of the objective it gained."""
        whole, one = jnp.zeros(()), jnp.ones(())

        def objective(at: Parameters) -> float:
            return float(sum_of_squares(at, series, whole) + penalty(at))

        step = gauss_newton_step(
            point,
            series,
            whole,
            self._free,
            penalty,
            one,
            jnp.asarray(damping, whole.dtype),
            blocks=row_blocks(point, series, whole),
            accuracy=_TOLERANCE,
            most_products=_MOST_PRODUCTS,
        )
        self.n_steps += 1
        now, length = objective(point), 1.0
        for _ in range(4):
            moved = jax.tree.map(lambda at, by, of=length: at + of * by, point, step)
            then = objective(moved)
            if then < now:
                return moved, (now - then) / now, length < 1.0
            length *= 0.4
        return point, None, True

    def _penalty(self, point: Parameters, strength: float) -> Penalty:
        weights = np.broadcast_to(strength * self._share, point.weights.shape)
        if self._prior.sparse:
            squares = np.asarray(point.weights) ** 2
            weights = weights * _SMALL**2 / (squares + _SMALL**2)
        like = point.log_amplitudes.dtype
        return Penalty(
            Parameters(
                jnp.asarray(weights, like), jnp.asarray(_AMPLITUDES * strength * self._trust, like)
            ),
            self.start,
        )

    def _reweighted(self, point: Parameters) -> Series:
        """The series with large residuals counted less, if the prior says so."""
        if not self._prior.robust:
            return self._fitted
        apart = self.residuals(point)
        told = self._problem.measured & (self._kept > 0)
        middle = max(float(np.median(np.abs(apart[told]))), 1e-12)
        weights = (1.0 + (apart / middle) ** 2) ** -0.5
        # So that the penalty weighs as much as before.
        return self._weighted(self._every, weights / weights[told].mean())

    def _weighted(self, series: Series, weights: Responses | None) -> Series:
        """The series with squared residuals that count by these weights, and left rows by none."""
        roots = self._kept * (self._problem.measured if weights is None else np.sqrt(weights))
        values = self._problem.measured * roots * self._problem.root_precision
        return eqx.tree_at(lambda it: it.measured, series, _grouped(values, series.measured))


def _expected_amplitudes(
    problem: MultipleShooting, allowed: EdgeMask, prior: Prior
) -> tuple[NodeValues, NodeMask]:
    """Amplitudes, and which nodes no other acts on."""
    measured = np.where(problem.measured, np.abs(problem.measurements), 0.0)
    largest = measured.max(axis=(0, 1))
    most = max(float(largest.max()), 1e-12)
    is_input = np.asarray(~allowed.any(axis=1))
    if prior.headroom is None:
        expected = np.full(problem.n_nodes, 1.1 * most)
    else:
        expected = prior.headroom * np.maximum(largest, _LEAST_SHARE * most)
    expected[is_input] = np.maximum(largest, _LEAST_SHARE * most)[is_input]
    # What was never measured may be as large as anything.
    expected[~problem.measured.any(axis=(0, 1))] = most
    return expected, is_input


def _grouped(values: Responses, like: Array) -> Array:
    """Values of rows in the order in which `Series` holds them."""
    n_groups, _, _, group = like.shape
    padding = [(0, n_groups * group - len(values)), (0, 0), (0, 0)]
    parts = np.pad(values, padding).reshape(n_groups, group, *values.shape[1:])
    return jnp.asarray(np.moveaxis(parts, 1, -1), like.dtype)
