"""Which edges into one node explain its data, where the squares are a quadratic in its row of W.

A row chooses among the subsets of its edges by the information criterion
(`cellbox.refinement.edge_selection`): one by one from none, or from any subset by letting one in,
leaving one out, or exchanging one for another, as long as that lowers it. Leaving out one by one
cannot undo what several edges that stand in for one have taken; an exchange can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cellbox.refinement.edge_prices import Surcharges

# What an edge adds to what those that are there explain is rounding below this share of what it
# would alone.
_ADDS_NOTHING = 1e-6

# A sum of squares is nothing below this.
_LEAST_SQUARES = 1e-12

# An exchange has to lower the criterion by more than rounding.
_ROUNDING = 1e-6

#: Places of parameters in a row, those that always stay first.
Subset = list[int]


@dataclass(frozen=True, eq=False)
class RowQuadratic:
    """Sum of squares = nothing − 2 wanted · θ + θ · curvature · θ of the parameters θ of a row.

    allowed: which of them are weights that may be chosen. stays: places of those that always stay,
    as log α. price: of an edge in the criterion; surcharges: what it costs beside that, if
    anything. n_values: how many squares. most: how many parameters there may be at most.
    """

    curvature: Float[np.ndarray, "row row"]
    wanted: Float[np.ndarray, " row"]
    nothing: float
    allowed: Bool[np.ndarray, " row"]
    stays: tuple[int, ...]
    n_values: int
    most: int
    price: float
    surcharges: Surcharges | None = None

    def values(self, chosen: Subset) -> Float[np.ndarray, " row"]:
        """The best values of the chosen parameters, the others 0."""
        values = np.zeros(len(self.wanted))
        values[chosen] = self._solved(chosen)
        return values

    def criterion(self, chosen: Subset) -> float:
        """The information criterion, but for what does not depend on the row."""
        worth = self.n_values * np.log(self._left(chosen))
        edges = chosen[len(self.stays) :]
        price = self._price(self.values(chosen))[edges].sum() if edges else 0.0
        return float(worth + price)

    def grown(self) -> Subset:
        """Chosen one by one, from none; those that no longer pay are left out on the way."""
        chosen = list(self.stays)
        # Where rounding decides, an edge may pay until it is there, and come and go for ever.
        seen: set[frozenset[int]] = set()
        while len(chosen) < max(1, self.most) and frozenset(chosen) not in seen:
            seen.add(frozenset(chosen))
            edge, paid = self._most_worth(chosen)
            if paid <= 0:
                break
            chosen = self._without_needless([*chosen, edge])
        return chosen

    def exchanged(self, chosen: Subset) -> Subset:
        """The subset that single changes lead to, each of which lowers the criterion most."""
        lowest = self.criterion(chosen)
        while True:
            changed = min(self._changes(chosen), key=self.criterion, default=chosen)
            criterion = self.criterion(changed)
            if not criterion < lowest - _ROUNDING:
                return chosen
            chosen, lowest = changed, criterion

    def _changes(self, chosen: Subset) -> Iterator[Subset]:
        """Without any edge, each with and without the best one that is not there."""
        for place in range(len(self.stays), len(chosen) + 1):
            without = chosen[:place] + chosen[place + 1 :]
            if place < len(chosen):
                yield without
            edge, _ = self._most_worth(without)
            if edge >= 0 and len(without) < self.most:
                yield [*without, edge]

    def _most_worth(self, chosen: Subset) -> tuple[int, float]:
        """The edge beside those chosen that pays most, and what it pays beyond its price."""
        among = self.curvature[chosen]
        solved = np.linalg.solve(among[:, chosen], among)
        slope = self.wanted - solved.T @ self.wanted[chosen]
        own = np.diag(self.curvature)
        rest = own - np.einsum("ka,ka->a", among, solved)
        asked = self.allowed & (rest > _ADDS_NOTHING * own)
        asked[chosen] = False
        if not asked.any():
            return -1, 0.0
        gains = np.where(asked, slope**2 / np.where(asked, rest, 1.0), 0.0)
        paid = np.where(asked, self._worth(gains, self._left(chosen)) - self._price(slope), -np.inf)
        best = int(np.argmax(paid))
        return best, float(paid[best])

    def _without_needless(self, chosen: Subset) -> Subset:
        """Those chosen but for edges that no longer pay."""
        n_stay = len(self.stays)
        while len(chosen) > n_stay:
            values = self._solved(chosen)
            variances = np.diag(np.linalg.inv(self.curvature[np.ix_(chosen, chosen)]))
            # What the sum of squares would be without each.
            without = self._left(chosen) + values**2 / variances
            whole = np.zeros(len(self.wanted))
            whole[chosen] = values
            paid = self._worth(without - self._left(chosen), without) - self._price(whole)[chosen]
            paid[:n_stay] = np.inf
            least = int(np.argmin(paid))
            if paid[least] > 0:
                break
            chosen = chosen[:least] + chosen[least + 1 :]
        return chosen

    def _worth(
        self, gains: Float[np.ndarray, " n_edges"], left: Float[np.ndarray, " n_edges"] | float
    ) -> Float[np.ndarray, " n_edges"]:
        """What the criterion falls by where the sum of squares falls by so much of what is left."""
        return -self.n_values * np.log1p(-np.minimum(gains / left, 1.0 - 1e-12))

    def _price(self, values: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """What edges with the signs of these values cost."""
        extra = 0.0 if self.surcharges is None else self.surcharges.of(values)
        return np.full(len(values), self.price) + extra

    def _solved(self, chosen: Subset) -> Float[np.ndarray, " n_chosen"]:
        return np.linalg.solve(self.curvature[np.ix_(chosen, chosen)], self.wanted[chosen])

    def _left(self, chosen: Subset) -> float:
        left = self.nothing - float(self.wanted[chosen] @ self._solved(chosen))
        return max(left, _LEAST_SQUARES)
