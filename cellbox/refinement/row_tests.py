"""What each row of W says of its own edges near a fit of a large network.

Wald's test of those that it has, a score test of those that it has not, and its amplitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeMask, EdgeValues, NodeValues, RowNumbers
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.refined import PRIOR_DEVIATION

# Precision of a prior on log α that says next to nothing.
HARDLY_ANY = 1e-2


@dataclass(frozen=True, eq=False)
class Rows:
    """What each row of W and its amplitude say for themselves, near a fit.

    slope, curvature: of half the chi-square, a row's amplitude last. price: what an edge costs in
    the information criterion; prices: and beside that, by a prior, if there is one.
    """

    weights: EdgeValues
    log_amplitudes: NodeValues
    slope: Float[np.ndarray, "n_nodes row"]
    curvature: Float[np.ndarray, "n_nodes row row"]
    free: EdgeMask
    allowed: EdgeMask
    price: float
    prices: EdgePrices | None = None

    def needless(self) -> EdgeMask:
        """Of each row the edge that explains least (Wald's test), if that is less than it costs."""
        found = np.zeros_like(self.free)
        for row, kept in enumerate(self.free):
            if kept.any():
                variances = np.diag(self._covariance(row))[:-1]
                explained = self.weights[row, kept] ** 2 / variances
                sources = np.flatnonzero(kept)
                prices = self._price(row, sources, self.weights[row, kept])
                # Where all cost the same their order is that of what they explain, to the bit.
                least = np.argmin(explained if self.prices is None else explained - prices)
                found[row, sources[least]] = (explained - prices).min() < 0
        return found

    def surely_missing(self) -> EdgeMask:
        """Of each row the one edge more that would explain twice what it costs, or more."""
        return self.missing(2.0)

    def missing(self, times: float = 1.0) -> EdgeMask:
        """Of each row the one edge more that would explain most, if that is more than it costs.

        times: so many times as much.
        """
        found = np.zeros_like(self.free)
        for row in range(len(self.free)):
            asked, gains = self._gains(row)
            prices = times * self._price(row, asked, -self.slope[row, asked])
            if len(asked) and (gains - prices).max() > 0:
                most = np.argmax(gains if self.prices is None else gains - prices)
                found[row, asked[most]] = True
        return found

    def candidates(self, n_each: int) -> EdgeMask:
        """Of each row the edges more that would pay most, or cost least beyond what they explain.

        Where loops gain, rows err in what an edge explains, less in which would explain most.
        """
        found = np.zeros_like(self.free)
        for row in range(len(self.free)):
            asked, gains = self._gains(row)
            paid = gains - self._price(row, asked, -self.slope[row, asked])
            found[row, asked[np.argsort(-paid, kind="stable")[:n_each]]] = True
        return found

    def begun_anew(self) -> tuple[tuple[int, ...], ...]:
        """The sources that each row would have if it chose one by one, best first, from none.

        An edge is not missed where several others together stand in for it, since on top of them it
        explains nothing. A row chooses one edge more than it has.
        """
        of_rows = []
        for row in range(len(self.free)):
            own = np.append(self.weights[row], 0.0)
            curvature = self.curvature[row] + np.diag(self._precisions(len(own)))
            wanted = curvature @ own - self.slope[row]
            chosen = [len(own) - 1]
            for _ in range(int(self.free[row].sum()) + 1):
                among = curvature[chosen]
                solved = np.linalg.solve(among[:, chosen], among)
                left = wanted - solved.T @ wanted[chosen]
                rest = np.diag(curvature) - np.einsum("ka,ka->a", among, solved)
                asked = np.append(self.allowed[row], False) & (rest > 1e-9 * np.diag(curvature))
                asked[chosen] = False
                if not asked.any():
                    break
                gains = np.where(asked, left**2 / np.where(asked, rest, 1.0), -1.0)
                chosen.append(int(np.argmax(gains)))
            of_rows.append(tuple(chosen[1:]))
        return tuple(of_rows)

    def _gains(self, row: int) -> tuple[RowNumbers, Float[np.ndarray, " n_asked"]]:
        """The edges that a row has not and may have, and by how much each lowers chi-square."""
        kept = self.free[row]
        asked = np.flatnonzero(self.allowed[row] & ~kept)
        among = np.append(np.flatnonzero(kept), len(kept))
        between = self.curvature[row][np.ix_(among, asked)]
        explained = np.einsum("ka,ka->a", between, self._covariance(row) @ between)
        own = self.curvature[row, asked, asked]
        rest = own - explained
        # What the kept ones explain altogether has nothing to add.
        gains = np.where(
            rest > 1e-9 * own, self.slope[row, asked] ** 2 / np.maximum(rest, 1e-300), 0.0
        )
        return asked, gains

    def _price(
        self, row: int, sources: RowNumbers, values: Float[np.ndarray, " n_sources"]
    ) -> Float[np.ndarray, " n_sources"] | float:
        """What some entries of a row cost, with the signs of these values."""
        if self.prices is None:
            return self.price
        of_sign = np.where(
            values > 0, self.prices.positive[row, sources], self.prices.negative[row, sources]
        )
        return self.price + of_sign

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
        prior = np.diag(self._precisions(len(among)))
        return np.linalg.inv(self.curvature[row][np.ix_(among, among)] + prior)

    def _precisions(self, n_parameters: int) -> Float[np.ndarray, " n_parameters"]:
        """Of the weak priors on weights of a row and its amplitude."""
        return np.append(np.full(n_parameters - 1, PRIOR_DEVIATION**-2), HARDLY_ANY)
