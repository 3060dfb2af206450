"""Gauss-Newton steps and selection where few weights are free: with the whole curvature of them."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeMask, EdgeValues, NodeValues
from cellbox.equation.dynamics import Parameters
from cellbox.equation.traced_arrays import Scalar
from cellbox.refinement.amplitude_pooling import AmplitudePool
from cellbox.refinement.edge_prices import EdgePrices, Surcharges
from cellbox.refinement.edge_selection import Minimum, inverse, leave_out, price_of
from cellbox.refinement.refined import PRIOR_DEVIATION
from cellbox.refinement.row_tests import HARDLY_ANY
from cellbox.refinement.sparse_curvature import curvature_of
from cellbox.refinement.whole_courses import Penalty, Series

# With more unknowns than this, conjugate gradients cost less than the whole curvature.
_FEW = 640


def are_few(free: EdgeMask) -> bool:
    """Whether the free weights are few enough for their whole curvature."""
    return int(free.sum()) + len(free) <= _FEW


@dataclass(frozen=True, eq=False)
class FewEdges:
    """Half the chi-square near a point, over the free weights row by row and log α behind them.

    values: of the parameters there. variance: of the noise, which slope and curvature are in.
    """

    values: Float[np.ndarray, " n_parameters"]
    slope: Float[np.ndarray, " n_parameters"]
    curvature: Float[np.ndarray, "n_parameters n_parameters"]
    free: EdgeMask
    variance: float

    @classmethod
    def at(
        cls,
        parameters: Parameters,
        half_gradient: Parameters,
        series: Series,
        gain: Scalar,
        free: EdgeMask,
        variance: float,
    ) -> FewEdges:
        """There; series: those that the curvature is of, in longer steps than the gradient's."""
        return cls(
            _flat(parameters, free),
            _flat(half_gradient, free) / variance,
            curvature_of(parameters, series, gain, free) / variance,
            free,
            variance,
        )

    def step(self, penalty: Penalty, damping: float) -> Parameters:
        """The step that lowers half of chi-square + penalty.

        damping: added to the curvature, in units of its diagonal (Levenberg 1944, Marquardt 1963).
        """
        strength = _flat(penalty.strength, self.free)
        pull = strength * (self.values - _flat(penalty.expected, self.free))
        added = strength + damping * np.diag(self.curvature)
        step = -np.linalg.solve(self.curvature + np.diag(added), self.slope + pull)
        n_nodes = len(self.free)
        weights = np.zeros(self.free.shape)
        weights[self.free] = step[:-n_nodes]
        return Parameters(jnp.asarray(weights), jnp.asarray(step[-n_nodes:]))

    def worth_their_price(
        self,
        sum_of_squares: float,
        pool: AmplitudePool,
        n_values: int,
        known: EdgeMask,
        prices: EdgePrices | None = None,
    ) -> EdgeMask:
        """Which of the free weights lower the information criterion at the minimum nearby.

        sum_of_squares: here. known: edges that are asked for their price. Of others, the best of
        many, twice as much is asked, since chance has had that many tries. prices: what a prior
        adds to what an edge costs.
        """
        curvature = self.curvature + np.diag(self._priors(pool.width**-2))
        step = -inverse(curvature) @ self.slope
        reached = sum_of_squares + self.variance * float(self.slope @ step)
        minimum = Minimum(curvature * self.variance, max(reached, 0.0), n_values)
        removable = np.arange(len(self.values)) < self.free.sum()
        surcharges = None if prices is None else self._surcharges(prices)
        kept, values = leave_out(minimum, self.values + step, removable, surcharges=surcharges)
        variances = np.diag(inverse(curvature[np.ix_(kept, kept)]))
        price = price_of(n_values, 1) + (0.0 if surcharges is None else surcharges.of(values)[kept])
        sure = values[kept] ** 2 / variances > 2 * price
        exempt = np.append(known[self.free], np.ones(len(self.free), bool))
        kept[kept] = sure | exempt[kept]
        worth = np.zeros_like(self.free)
        worth[self.free] = kept[removable]
        return worth

    def _surcharges(self, prices: EdgePrices) -> Surcharges:
        nothing = np.zeros(len(self.free))
        return Surcharges(
            np.append(prices.positive[self.free], nothing),
            np.append(prices.negative[self.free], nothing),
        )

    def amplitudes(self) -> tuple[NodeValues, EdgeValues]:
        """log α of each node by the data alone, and the covariance of their errors."""
        n_nodes = len(self.free)
        covariance = inverse(self.curvature + np.diag(self._priors(HARDLY_ANY)))
        pull = self.values * PRIOR_DEVIATION**-2
        pull[-n_nodes:] = 0.0
        own = self.values - covariance @ (self.slope + pull)
        return own[-n_nodes:], covariance[-n_nodes:, -n_nodes:]

    def _priors(self, of_amplitudes: float) -> Float[np.ndarray, " n_parameters"]:
        """Precisions of the weak prior on weights, and of one on log α."""
        precisions = np.full(len(self.values), PRIOR_DEVIATION**-2)
        precisions[-len(self.free) :] = of_amplitudes
        return precisions


def _flat(parameters: Parameters, free: EdgeMask) -> Float[np.ndarray, " n_parameters"]:
    return np.concatenate(
        [np.asarray(parameters.weights)[free], np.asarray(parameters.log_amplitudes)]
    )
