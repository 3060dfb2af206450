"""A search in which cell lines may differ: first all are taken as one, then differences are let in.

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
from cellbox.refinement.search import Search


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
        n_possible = int((self._allowed & self._is_difference).sum())
        self._surcharge = 2 * np.log(max(n_possible, 1))
        of_difference = np.where(self._is_difference, self._surcharge, 0.0)
        known = self._surcharges or Surcharges(*np.zeros((2, len(self._allowed))))
        self._surcharges = Surcharges(*(each + of_difference for each in known))

    def approach(self, known: Sequence[Landmark] = ()) -> bool:
        """The first fit, in which lines do not differ."""
        self._allowed = self._may_differ & ~self._is_difference
        return super().approach(known)

    def select(self) -> None:
        """Edges of all lines, then those and what differs."""
        super().select()
        self._allowed = self._may_differ
        super().select()

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
