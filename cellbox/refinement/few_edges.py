"""Gauss-Newton steps and selection where few weights are free: with the whole curvature of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.arrays import EdgeMask, EdgeValues, NodeValues
from cellbox.equation.dynamics import Parameters
from cellbox.equation.traced_arrays import Scalar
from cellbox.refinement.amplitude_pooling import AmplitudePool
from cellbox.refinement.edge_prices import EdgePrices, Surcharges
from cellbox.refinement.edge_selection import (
    Minimum,
    information_criterion,
    inverse,
    leave_out,
    price_of,
)
from cellbox.refinement.refined import PRIOR_DEVIATION
from cellbox.refinement.row_tests import HARDLY_ANY
from cellbox.refinement.sparse_curvature import curvature_of
from cellbox.refinement.whole_courses import Penalty, Series

# With more unknowns or nodes than this, conjugate gradients cost less than the whole curvature: of
# 592 unknowns of 200 nodes and 400 conditions it takes 110 s of processor time, a step by them 10.
_FEW, MOST_NODES = 640, 128

# Networks where nodes have more regulators than this on average are called dense.
_OF_A_NODE = 6


def are_few(free: EdgeMask) -> bool:
    """Whether the free weights, and nodes, are few enough for their whole curvature."""
    return len(free) <= MOST_NODES and int(free.sum()) + len(free) <= _FEW


def are_sparse(free: EdgeMask) -> bool:
    """Whether nodes have as few regulators as networks have, so that a choice has been made."""
    return are_few(free) or int(free.sum()) <= _OF_A_NODE * len(free)


class Around(NamedTuple):
    """What a choice of edges depends on beside the curvature.

    sum_of_squares: here. prices: what a prior adds to what an edge costs.
    """

    sum_of_squares: float
    pool: AmplitudePool
    n_values: int
    prices: EdgePrices | None


@dataclass(frozen=True, eq=False)
class Choice:
    """The information criterion of parameters that are kept, the others zero, near a minimum."""

    minimum: Minimum
    at_minimum: Float[np.ndarray, " n_parameters"]
    surcharges: Surcharges | None

    def values(self, kept: Bool[np.ndarray, " n_parameters"]) -> Float[np.ndarray, " n_kept"]:
        """Of the kept ones, at their own minimum."""
        curvature = self.minimum.curvature[kept]
        return np.linalg.solve(curvature[:, kept], curvature @ self.at_minimum)

    def criterion(self, kept: Bool[np.ndarray, " n_parameters"]) -> float:
        """The information criterion."""
        values = self.values(kept)
        apart = -self.at_minimum
        apart[kept] += values
        total = self.minimum.sum_of_squares + float(apart @ self.minimum.curvature @ apart)
        criterion = information_criterion(total, self.minimum.n_values, len(values))
        if self.surcharges is not None:
            criterion += float(self.surcharges.among(kept).of(values).sum())
        return criterion

    def with_other_row(
        self,
        kept: Bool[np.ndarray, " n_parameters"],
        row: Int[np.ndarray, " n_nodes"],
        others: Int[np.ndarray, " n_others"],
    ) -> Bool[np.ndarray, " n_parameters"]:
        """The same, or with others of a row instead where that lowers the criterion.

        Several edges can stand in for one so well that none of them, nor that one, can go alone.
        row: the places of its parameters, -1 where there is none. others: places, best first.
        """
        own = row[row >= 0]
        if kept[others[: kept[own].sum()]].all():
            return kept
        best, lowest = kept, self.criterion(kept)
        for n_others in range(1, len(others) + 1):
            tried = kept.copy()
            tried[own] = False
            tried[others[:n_others]] = True
            criterion = self.criterion(tried)
            if criterion < lowest:
                best, lowest = tried, criterion
        return best


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
        around: Around,
        known: EdgeMask,
        anew: tuple[tuple[int, ...], ...],
    ) -> EdgeMask:
        """Which of the free weights lower the information criterion at the minimum nearby.

        known: edges that are asked for their price. Of others, the best of many, twice as much is
        asked, since chance has had that many tries. anew: for each row the sources that it would
        choose from none, best first, which are tried instead of those that it has.
        """
        curvature = self.curvature + np.diag(self._priors(around.pool.width**-2))
        step = -inverse(curvature) @ self.slope
        reached = around.sum_of_squares + self.variance * float(self.slope @ step)
        minimum = Minimum(curvature * self.variance, max(reached, 0.0), around.n_values)
        n_edges = int(self.free.sum())
        removable = np.arange(len(self.values)) < n_edges
        surcharges = None if around.prices is None else self._surcharges(around.prices)
        at_minimum = self.values + step
        kept, _ = leave_out(minimum, at_minimum, removable, surcharges=surcharges)
        choice = Choice(minimum, at_minimum, surcharges)
        places = np.full(self.free.shape, -1)
        places[self.free] = np.arange(n_edges)
        for row, sources in enumerate(anew):
            kept = choice.with_other_row(kept, places[row], places[row, list(sources)])
        values = choice.values(kept)
        variances = np.diag(inverse(curvature[np.ix_(kept, kept)]))
        price = np.full(len(values), price_of(around.n_values, 1))
        if surcharges is not None:
            price += surcharges.among(kept).of(values)
        exempt = np.append(known[self.free], np.ones(len(self.free), bool))
        kept[kept] = exempt[kept] | (values**2 / variances > 2 * price)
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
