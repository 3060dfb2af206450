"""What a design is chosen for, and what is known before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Times
from cellbox.identifiability.row_information import Derivatives, Factors, RowDerivatives
from cellbox.planning.beliefs import Belief
from cellbox.planning.limits import Limits
from cellbox.planning.selection import Criterion, all_edges, named_edges


@dataclass(frozen=True, eq=False)
class Question:
    """Which edges matter to whom, and what may be done to learn of them.

    times: when conditions are measured. places: (target, source) of the edges that matter; all
    where there are none.
    """

    belief: Belief
    limits: Limits
    times: Times
    places: tuple[tuple[int, int], ...] = ()

    @cached_property
    def known(self) -> Factors:
        """What each member of the ensemble says is known of each row."""
        return self.belief.factors(self.belief.members)

    @property
    def criterion(self) -> Criterion:
        """What a condition is worth."""
        noise = self.belief.noise
        return named_edges(self.places, noise) if self.places else all_edges(noise)

    def derivatives(
        self,
        conditions: Float[np.ndarray, "n_conditions n_nodes"],
        along: RowDerivatives | None = None,
    ) -> Derivatives:
        """How responses to these conditions change with each row; 0 where nothing is measured.

        Where the data tell errors of values, by how sure those of each node are.

        along: of the members, in other directions of the times.
        """
        along = RowDerivatives(self.belief.members, self.times) if along is None else along
        found = along(conditions)
        found[:, ~self.belief.seen] = 0.0
        if self.belief.root_precision is not None:
            found *= self.belief.expected.astype(found.dtype)[:, None, None, None]
        return found
