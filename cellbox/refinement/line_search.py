"""A search in which cell lines may differ: first all are taken as one, then some differ.

Where lines differ much, the network of all as one may be so far off that no single difference
helps. So where what is left asks for differences altogether (a score test of all of them), the
search begins again from where all may differ, and leaves out; the lower criterion tells which is
kept.

A difference is chosen among very many, of which noise alone would bring some. So it costs, beside
what an edge costs in the information criterion, twice the logarithm of how many there could be
(the extended criterion of Chen and Chen 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cellbox.arrays import EdgeMask
from cellbox.networks.network import Network
from cellbox.refinement.edge_prices import Surcharges
from cellbox.refinement.edge_selection import inverse
from cellbox.refinement.landmarks import Landmark
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import Refined
from cellbox.refinement.search import Search, State

# Parameters that may all be free at once.
_MOST_AT_ONCE = 1500

# So often the search begins again at most.
_MOST_BEGINNINGS = 2

# How far beyond chance, in standard deviations, what is left asks for differences altogether.
_DEVIATIONS = 5.0


class LineSearch(Search):
    """A search with several lines, of which all but the first may differ from it."""

    def __init__(
        self,
        problem: MultipleShooting,
        start: Network,
        allowed_edges: EdgeMask | None,
        *,
        leaves_landmarks: bool = False,
    ):
        super().__init__(problem, start, allowed_edges, leaves_landmarks=leaves_landmarks)
        n_differences = problem.n_parameters - problem.without_differences().n_parameters
        self._is_difference = np.arange(len(self._allowed)) >= len(self._allowed) - n_differences
        self._may_differ = self._allowed
        self._known = self._point.parameters != 0
        self._first: State | None = self._state
        n_possible = int((self._allowed & self._is_difference).sum())
        self._surcharge = 2 * float(np.log(max(n_possible, 1)))
        of_difference = np.where(self._is_difference, self._surcharge, 0.0)
        known = self._surcharges or Surcharges(*np.zeros((2, len(self._allowed))))
        self._surcharges = Surcharges(*(each + of_difference for each in known))

    def approach(self, known: Sequence[Landmark] = ()) -> bool:
        """The first fit, in which lines differ in nothing but what the start knows."""
        self._allowed = self._may_differ & (~self._is_difference | self._known)
        return super().approach(known)

    def select(self) -> None:
        """Edges of all lines, then those and what differs."""
        super().select()
        self._allowed = self._may_differ
        super().select()
        n_allowed = int(self._allowed.sum())
        if 2 * n_allowed > self._problem.n_values or n_allowed > _MOST_AT_ONCE:
            return
        if self._problem.weights is not None:
            # Values that count less begin at the best that is known.
            return
        self._leaves_landmarks = False
        for _ in range(_MOST_BEGINNINGS):
            if not self._asks_for_more():
                return
            before, criterion = self._state, self.criterion
            # First from where the search began, then from the best that is known.
            self._state = self._first if self._first is not None else before
            self._first = None
            super().approach()
            super().select()
            if not self.criterion < criterion:
                self._state = before

    def _asks_for_more(self) -> bool:
        """Whether all differences together would explain more than chance lets them."""
        quadratic = self._penalised(self._allowed)
        taken = float(quadratic.gradient @ inverse(quadratic.curvature) @ quadratic.gradient)
        n_more = int(self._allowed.sum() - self._free.sum())
        total = self._penalised_sum()
        if not (np.isfinite(taken) and np.isfinite(total)):
            return True
        spare = max(1, self._problem.n_values - int(self._allowed.sum()))
        variance = max(total - taken, 1e-3 * total) / spare
        return bool(taken / variance > n_more + _DEVIATIONS * np.sqrt(2.0 * n_more))

    def result(self, nodes: tuple[str, ...]) -> Refined:
        """What was found, with standard errors of what differs."""
        found, lines = super().result(nodes), self._problem.lines
        if found.network.form is None or found.network.form.lines is None or lines is None:
            return found
        errors = np.full(len(self._free), np.nan)
        covariance = inverse(self._penalised(self._free).curvature)
        errors[self._free] = found.noise * np.sqrt(np.maximum(np.diag(covariance), 0.0))
        differences = lines.differences(self._point.parameters, self._problem.n_nodes, errors)
        form = replace(found.network.form, lines=differences)
        return replace(found, network=replace(found.network, form=form))

    @property
    def _price(self) -> float:
        n_differences = int((self._free & self._is_difference).sum())
        return super()._price + self._surcharge * n_differences
