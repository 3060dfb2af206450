"""Which rows and parameters a criticism asks about: what data and time allow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from cellbox.arrays import EdgeMask, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.networks.network import Network, possible_edges
from cellbox.networks.whole_network import whole
from cellbox.refinement.hidden_shooting import padded_edges
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import obstacle

# Numbers of the derivatives of all rows that are held at once, and operations that projecting may
# take; rows beyond are left out, evenly.
_MOST_NUMBERS, _MOST_OPERATIONS = 5e7, 2e10

# Residuals are judged where there are so many values more than parameters, and so many times more.
_FEWEST_SPARE, _VALUES_PER_PARAMETER = 20, 1.25


class JudgedRows(NamedTuple):
    """Rows that are asked, those that trained first."""

    all: RowNumbers
    n_training: int

    @classmethod
    def of(
        cls,
        data: Dataset,
        training: Int[np.ndarray, " n_training_rows"],
        held_out: Int[np.ndarray, " n_held_out_rows"] | None,
    ) -> JudgedRows:
        """Those with anything measured."""
        measured = np.isfinite(data.measurements).any(axis=(1, 2))
        seen = np.unique(training)
        seen = seen[measured[seen]]
        # What rounding decides judges no model.
        more = np.empty(0, int) if held_out is None else np.setdiff1d(held_out, seen)
        more = more[measured[more] & data.judged[more]]
        return cls(np.concatenate([seen, more]).astype(int), len(seen))

    def thinned(self, most: int) -> JudgedRows:
        """No more than so many, in the same proportion."""
        n_rows = len(self.all)
        if n_rows <= most:
            return self
        chosen = np.unique(np.linspace(0, n_rows - 1, most).round().astype(int))
        return JudgedRows(self.all[chosen], int((chosen < self.n_training).sum()))


def free_parameters(
    training: MultipleShooting, network: Network, allowed: EdgeMask | None
) -> Bool[np.ndarray, " n_parameters"] | None:
    """Every parameter that may differ from zero, or only those that do; None with too few data."""
    if obstacle(training, allowed) is not None:
        # Weights were drawn to zero, and what is left is no misfit alone.
        return None
    every = padded_edges(possible_edges(training.n_shown, allowed), training.n_nodes)
    for edges in (every, whole(network).weights != 0):
        free = training.free(edges)
        n_free = int(free.sum())
        enough = training.n_values >= max(_VALUES_PER_PARAMETER * n_free, n_free + _FEWEST_SPARE)
        affordable = training.n_values * n_free**2 <= _MOST_OPERATIONS
        if enough and (affordable or edges is not every):
            return free
    return None


def most_rows(problem: MultipleShooting, free: Bool[np.ndarray, " n_parameters"]) -> int:
    """As many rows as their derivatives can be held of."""
    _, n_times, n_nodes = problem.measurements.shape
    of_row = n_times * n_nodes * (int(free.sum()) + 7 * n_nodes + n_times * n_nodes)
    return max(8, int(_MOST_NUMBERS / of_row))
