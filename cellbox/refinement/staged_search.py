"""A search in stages: first as if some parameters were 0, then these may come as well.

Where they are many, and what they stand for is large, the network without them may be so far off
that none of them helps alone. So where what is left asks for them altogether (a score test of all
of them), the search begins again from where all may be there, and leaves out; the lower criterion
tells which is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from cellbox.arrays import EdgeMask
from cellbox.networks.network import Network
from cellbox.refinement.edge_prices import Surcharges
from cellbox.refinement.edge_selection import inverse
from cellbox.refinement.landmarks import Landmark
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.search import Search, State

# Parameters that may all be free at once.
_MOST_AT_ONCE = 1500

# So often the search begins again at most.
_MOST_BEGINNINGS = 2

# How far beyond chance, in standard deviations, what is left asks for late parameters altogether.
_DEVIATIONS = 5.0


class StagedSearch(Search):
    """A search in which some parameters come late.

    surcharge: what each of them costs beside what an edge costs; None for twice the logarithm of
    how many there could be.
    """

    surcharge: float | None = None

    def __init__(
        self,
        problem: MultipleShooting,
        start: Network,
        allowed_edges: EdgeMask | None,
        *,
        leaves_landmarks: bool = False,
    ):
        super().__init__(problem, start, allowed_edges, leaves_landmarks=leaves_landmarks)
        late = self.late_of(problem)
        self._is_late, self._every = late, self._allowed
        self._known = self._point.parameters != 0
        self._first: State | None = self._state
        n_possible = int((self._allowed & late).sum())
        chosen_among = 2 * float(np.log(max(n_possible, 1)))
        self._surcharge = chosen_among if self.surcharge is None else self.surcharge
        of_late = np.where(late, self._surcharge, 0.0)
        known = self._surcharges or Surcharges(*np.zeros((2, len(self._allowed))))
        self._surcharges = Surcharges(*(each + of_late for each in known))

    @staticmethod
    def late_of(problem: MultipleShooting) -> Bool[np.ndarray, " n_parameters"]:
        """Which parameters come late."""
        raise NotImplementedError

    def approach(self, known: Sequence[Landmark] = ()) -> bool:
        """The first fit, with no more of late parameters than the start knows."""
        self._allowed = self._every & (~self._is_late | self._known)
        return super().approach(known)

    def select(self) -> None:
        """All others, then those and the late ones."""
        super().select()
        self._allowed = self._every
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
        """Whether all late parameters would explain more than chance lets them."""
        quadratic = self._penalised(self._allowed)
        taken = float(quadratic.gradient @ inverse(quadratic.curvature) @ quadratic.gradient)
        n_more = int(self._allowed.sum() - self._free.sum())
        total = self._penalised_sum()
        if not (np.isfinite(taken) and np.isfinite(total)):
            return True
        spare = max(1, self._problem.n_values - int(self._allowed.sum()))
        variance = max(total - taken, 1e-3 * total) / spare
        return bool(taken / variance > n_more + _DEVIATIONS * np.sqrt(2.0 * n_more))

    @property
    def _price(self) -> float:
        n_late = int((self._free & self._is_late).sum())
        return super()._price + self._surcharge * n_late
