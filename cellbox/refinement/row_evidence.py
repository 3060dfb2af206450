"""What each row of W and its amplitude say for themselves, near a fit.

Where states are known, a node's data tell of its own row alone. Near a fit they nearly are, so
that rows judge their edges one by one, with matrices no larger than a row (`RowBlocks`). What is
left out is how other nodes answer, which loops that gain make much of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeMask, EdgeValues, NodeValues
from cellbox.refinement.refined import PRIOR_DEVIATION

# Precision of a prior on log α that says next to nothing.
HARDLY_ANY = 1e-2


@dataclass(frozen=True, eq=False)
class RowEvidence:
    """Half the chi-square near a fit, row by row.

    slope, curvature: of half the chi-square, a row's amplitude last. price: what an edge costs in
    the information criterion.
    """

    weights: EdgeValues
    log_amplitudes: NodeValues
    slope: Float[np.ndarray, "n_nodes row"]
    curvature: Float[np.ndarray, "n_nodes row row"]
    free: EdgeMask
    allowed: EdgeMask
    price: float

    def needless(self) -> EdgeMask:
        """Of each row the edge that explains least (Wald's test), if that is less than it costs."""
        found = np.zeros_like(self.free)
        for row, kept in enumerate(self.free):
            if kept.any():
                variances = np.diag(self._covariance(row))[:-1]
                explained = self.weights[row, kept] ** 2 / variances
                weakest = np.flatnonzero(kept)[np.argmin(explained)]
                found[row, weakest] = explained.min() < self.price
        return found

    def surely_missing(self) -> EdgeMask:
        """Of each row the one edge more that would explain twice what it costs, or more."""
        return self.missing(2.0 * self.price)

    def missing(self, price: float | None = None) -> EdgeMask:
        """Of each row the one edge more that would explain most, if that is more than it costs."""
        gains = self._gains()
        best = gains.max(axis=1, keepdims=True)
        return (gains == best) & (best > (self.price if price is None else price))

    def candidates(self, n_each: int) -> EdgeMask:
        """Of each row the edges more that would explain most, whatever they cost."""
        gains = self._gains()
        found = np.zeros_like(self.free)
        best = np.argsort(-gains, axis=1, kind="stable")[:, :n_each]
        np.put_along_axis(found, best, True, axis=1)
        return found & (gains > 0)

    def _gains(self) -> EdgeValues:
        """By how much each edge more would lower the chi-square; 0 of those that are there."""
        gains = np.zeros_like(self.weights)
        for row, kept in enumerate(self.free):
            asked = np.flatnonzero(self.allowed[row] & ~kept)
            among = np.append(np.flatnonzero(kept), len(kept))
            between = self.curvature[row][np.ix_(among, asked)]
            explained = np.einsum("ka,ka->a", between, self._covariance(row) @ between)
            own = self.curvature[row, asked, asked]
            rest = own - explained
            # What the kept ones explain altogether has nothing to add.
            gains[row, asked] = np.where(
                rest > 1e-9 * own, self.slope[row, asked] ** 2 / np.maximum(rest, 1e-300), 0.0
            )
        return gains

    def amplitudes(self) -> tuple[NodeValues, EdgeValues]:
        """log α of each node by its own data, and the covariance of their errors."""
        estimates, variances = self.log_amplitudes.copy(), np.empty(len(self.free))
        for row, kept in enumerate(self.free):
            covariance = self._covariance(row)
            among = np.append(np.flatnonzero(kept), len(kept))
            pull = np.append(self.weights[row, kept] * PRIOR_DEVIATION**-2, 0.0)
            estimates[row] -= covariance[-1] @ (self.slope[row, among] + pull)
            variances[row] = covariance[-1, -1]
        return estimates, np.diag(variances)

    def _covariance(self, row: int) -> Float[np.ndarray, "n_kept n_kept"]:
        """Of the errors of a row's free weights and its amplitude, the weak priors included."""
        among = np.append(np.flatnonzero(self.free[row]), len(self.free))
        prior = np.full(len(among), PRIOR_DEVIATION**-2)
        prior[-1] = HARDLY_ANY
        return np.linalg.inv(self.curvature[row][np.ix_(among, among)] + np.diag(prior))
