"""A search in which cell lines may differ: first all are taken as one, then some differ.

A difference is chosen among very many, of which noise alone would bring some. So it costs, beside
what an edge costs in the information criterion, twice the logarithm of how many there could be
(the extended criterion of Chen and Chen 2008).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from cellbox.refinement.edge_selection import inverse
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import Refined
from cellbox.refinement.staged_search import StagedSearch


class LineSearch(StagedSearch):
    """A search with several lines, of which all but the first may differ from it."""

    @staticmethod
    def late_of(problem: MultipleShooting) -> Bool[np.ndarray, " n_parameters"]:
        """What differs."""
        return np.arange(problem.n_parameters) >= problem.without_differences().n_parameters

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
