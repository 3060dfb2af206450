"""From where refinement begins: unlike starts, since each may be in the wrong valley.

Where descent ended is one. A regression (`cellbox.refinement.regression_start`) is another, which
helps where descent gets lost or diverges, as with responses that were measured once. Where neither
explains the data, many random starts (`cellbox.refinement.random_starts`) are searched.

All but the first are the same for all trainings on the same data, and refined once for them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.random_starts import random_starts
from cellbox.refinement.refine import refine
from cellbox.refinement.refined import Refined
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.robust_refine import refine_robustly
from cellbox.refinement.unexplained import NEXT_TO_NOTHING, mean_square


class StartedFit(NamedTuple):
    """A refined network, and where its refinement began, in words."""

    found: Refined
    start: str


class Starts:
    """What refinement of the same data makes of unlike starts, as far as it can be solved.

    training: the series that networks are fitted to. allowed_edges: as in `refine`.
    """

    def __init__(
        self,
        training: MultipleShooting,
        nodes: tuple[str, ...],
        allowed_edges: Bool[np.ndarray, "n_nodes n_nodes"] | None,
    ):
        self._training, self._nodes, self._allowed = training, nodes, allowed_edges
        # By the name of the start and by whether edges are selected.
        self._known: dict[tuple[str, bool], list[StartedFit]] = {}

    def descent(self, descended: Network, select_edges: bool) -> list[StartedFit]:
        """From where a descent ended."""
        return self._refined([descended], "where descent ended", select_edges)

    def regression(self, select_edges: bool) -> list[StartedFit]:
        """From a regression on the measured intervals."""
        key = ("regression", select_edges)
        if key not in self._known:
            guess = regression_start(self._training, self._nodes, self._allowed)
            self._known[key] = self._refined([guess], "a regression", select_edges)
        return self._known[key]

    def random(self, select_edges: bool) -> list[StartedFit]:
        """From the best of many random networks; the same ones for the same data."""
        key = ("random", select_edges)
        if key not in self._known:
            enough = NEXT_TO_NOTHING * mean_square(self._training)
            drawn = random_starts(self._training, self._nodes, self._allowed, enough=enough)
            start = f"the best of {drawn.n_starts} random starts"
            self._known[key] = self._refined(drawn.networks, start, select_edges)
        return self._known[key]

    def _refined(
        self, starts: list[Network] | tuple[Network, ...], start: str, select_edges: bool
    ) -> list[StartedFit]:
        """What becomes of them, without those that cannot be solved."""
        fits = []
        for network in starts:
            try:
                found = refine(
                    self._training,
                    network,
                    allowed_edges=self._allowed,
                    select_edges=select_edges,
                )
            except np.linalg.LinAlgError:
                continue
            if not np.isfinite(found.information):
                continue
            fits.append(StartedFit(found, start))
            robust = self._robust(found, network, select_edges)
            if robust is not None:
                fits.append(StartedFit(robust, start))
        return fits

    def _robust(self, found: Refined, start: Network, select_edges: bool) -> Refined | None:
        """The same with large residuals counting less, where the data ask for it."""
        try:
            return refine_robustly(
                self._training,
                found,
                start,
                allowed_edges=self._allowed,
                select_edges=select_edges,
            )
        except np.linalg.LinAlgError:
            return None
