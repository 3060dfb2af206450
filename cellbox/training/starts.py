"""From where refinement begins: unlike starts, since each may be in the wrong valley.

Where descent ended is one. A regression (`cellbox.refinement.regression_start`) is another, which
helps where descent gets lost or diverges, as with responses that were measured once. Where neither
explains the data, many random starts (`cellbox.refinement.random_starts`) are searched.

All but the first are the same for all trainings on the same data, and refined once for them.

Where the equation may have more than Eq. 1 (`cellbox.networks.form`), its numbers are fitted with W
and α from each of these; which parts, `cellbox.training.form_search` finds where it is asked to.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellbox.arrays import EdgeMask
from cellbox.networks.form import EQ_1, SEARCH, Form, form_of
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.random_starts import random_starts
from cellbox.refinement.refine import is_large, obstacle, refine
from cellbox.refinement.refined import Refined
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.robust_refine import refine_robustly
from cellbox.refinement.unexplained import NEXT_TO_NOTHING
from cellbox.training.form_search import Judge, StartedFit, search_form

# Nodes up to which a refinement leaves landmarks: of n nodes they take 40 (n² + n)² bytes.
_MOST_LANDMARKED = 30


class Starts:
    """What refinement of the same data makes of unlike starts, as far as it can be solved.

    training: the series that networks are fitted to. allowed_edges: as in `refine`. judge: whether
    a network explains these series; what a search of forms goes by.
    """

    def __init__(
        self,
        training: MultipleShooting,
        nodes: tuple[str, ...],
        allowed_edges: EdgeMask | None,
        judge: Judge | None = None,
    ):
        self._training, self._nodes, self._allowed = training, nodes, allowed_edges
        self._judge = judge
        # By the name of the start, whether edges are selected, and the form.
        self._known: dict[tuple[str, bool, Form], list[StartedFit]] = {}
        self._searched: dict[bool, Form] = {}

    def form_for(self, named: str, select_edges: bool) -> Form:
        """The form that a setting names; where it is to be searched, what the search finds."""
        if obstacle(self._training, self._allowed) is not None or is_large(len(self._nodes)):
            return Form()
        if named != SEARCH:
            return form_of(named)
        if select_edges not in self._searched:
            self._searched[select_edges] = search_form(
                lambda form: self.regression(select_edges, form),
                self._judge,
                self._training.perturbations,
            )
        return self._searched[select_edges]

    def descent(
        self, descended: Network, select_edges: bool, form: Form = EQ_1
    ) -> list[StartedFit]:
        """From where a descent ended.

        Where that leads to the network that the regression has led to, it is that one, to the bit.
        """
        start = "where descent ended"
        alike = self.regression(select_edges, form)
        known = alike[0].found if alike else None
        found = self._refine(descended, select_edges, form, known)
        if found is None or known is None or found.network is not known.network:
            return self._judged(found, descended, start, select_edges, form)
        return [StartedFit(replace(fit.found, n_steps=found.n_steps), start) for fit in alike]

    def regression(self, select_edges: bool, form: Form = EQ_1) -> list[StartedFit]:
        """From a regression on the measured intervals."""
        key = ("regression", select_edges, form)
        if key not in self._known:
            guess = regression_start(self._training, self._nodes, self._allowed)
            few = self._training.n_nodes <= _MOST_LANDMARKED
            found = self._refine(guess, select_edges, form, leave_landmarks=few)
            self._known[key] = self._judged(found, guess, "a regression", select_edges, form)
        return self._known[key]

    def random(self, select_edges: bool, form: Form = EQ_1) -> list[StartedFit]:
        """From the best of many random networks; the same ones for the same data."""
        key = ("random", select_edges, form)
        if key not in self._known:
            # Random starts take all values alike.
            enough = NEXT_TO_NOTHING * float(np.nanmean(self._training.measurements**2))
            drawn = random_starts(self._training, self._nodes, self._allowed, enough=enough)
            start = f"the best of {drawn.n_starts} random starts"
            self._known[key] = [
                fit
                for network in drawn.networks
                for fit in self._judged(
                    self._refine(network, select_edges, form), network, start, select_edges, form
                )
            ]
        return self._known[key]

    def _refine(
        self,
        network: Network,
        select_edges: bool,
        form: Form,
        known: Refined | None = None,
        leave_landmarks: bool = False,
    ) -> Refined | None:
        try:
            return refine(
                self._of_form(form),
                network,
                allowed_edges=self._allowed,
                select_edges=select_edges,
                known=known,
                leave_landmarks=leave_landmarks,
            )
        except np.linalg.LinAlgError:
            return None

    def _judged(
        self, found: Refined | None, network: Network, start: str, select_edges: bool, form: Form
    ) -> list[StartedFit]:
        """What a start led to, if it can be solved, and the same where large residuals count less.

        network: the start, named by `start`.
        """
        if found is None or not np.isfinite(found.information):
            return []
        robust = self._robust(found, network, select_edges, form)
        return [StartedFit(one, start) for one in (found, robust) if one is not None]

    def _of_form(self, form: Form) -> MultipleShooting:
        return replace(self._training, form=form) if form else self._training

    def _robust(
        self, found: Refined, start: Network, select_edges: bool, form: Form
    ) -> Refined | None:
        """The same with large residuals counting less, where the data ask for it."""
        try:
            return refine_robustly(
                self._of_form(form),
                found,
                start,
                allowed_edges=self._allowed,
                select_edges=select_edges,
            )
        except np.linalg.LinAlgError:
            return None
