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
from typing import NamedTuple

import numpy as np

from cellbox.arrays import EdgeMask
from cellbox.networks.form import EQ_1, PARTS, SEARCH, Form, form_of
from cellbox.networks.interventions import check_form_beside, unknown_beside
from cellbox.networks.network import Network, possible_edges
from cellbox.networks.off_targets import OFF_TARGET
from cellbox.networks.prior import AUTO, EdgePrior
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.hidden_start import first_guess, hidden_obstacle, with_hidden_guess
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.off_target_search import off_target_obstacle
from cellbox.refinement.prior_strength import prices_by, prices_for
from cellbox.refinement.random_starts import random_starts
from cellbox.refinement.refine import is_large, obstacle, refine
from cellbox.refinement.refined import Refined
from cellbox.refinement.robust_refine import refine_robustly
from cellbox.refinement.unexplained import NEXT_TO_NOTHING
from cellbox.training.form_search import Judge, StartedFit, search_form

# Nodes up to which a refinement leaves landmarks: of n nodes they take 40 (n² + n)² bytes.
_MOST_LANDMARKED = 30


class _Way(NamedTuple):
    """How networks are refined. prices: of edges, by a prior; None where all cost the same."""

    select_edges: bool
    form: Form
    prices: EdgePrices | None


class Starts:
    """What refinement of the same data makes of unlike starts, as far as it can be solved.

    training: the series that networks are fitted to. allowed_edges: as in `refine`. judge: whether
    a network explains these series; what a search of forms goes by. prior: what is known of edges
    beforehand; a `strength` of 0 leaves it out.
    """

    def __init__(
        self,
        training: MultipleShooting,
        nodes: tuple[str, ...],
        allowed_edges: EdgeMask | None,
        judge: Judge | None = None,
        prior: EdgePrior | None = None,
    ):
        self._training, self._nodes, self._allowed = training, nodes, allowed_edges
        self._judge, self._prior = judge, prior
        self._known: dict[tuple[str, _Way], list[StartedFit]] = {}
        self._searched: dict[bool, Form] = {}
        self._prices: dict[tuple[Form, float | str], EdgePrices | None] = {}

    def form_for(self, named: str, select_edges: bool) -> Form:
        """The form that a setting names; where it is to be searched, what the search finds."""
        if obstacle(self._training, self._allowed) is not None or is_large(len(self._nodes)):
            return Form()
        done = self._training.interventions
        if named != SEARCH:
            form = form_of(named)
            check_form_beside(form.names, done)
            if self._training.lines is None:
                form = replace(form, lines=False)
            if not self._knows_off_targets(select_edges):
                form = form.without_part(OFF_TARGET)
            return form if hidden_obstacle(self._training) is None else replace(form, n_hidden=0)
        if select_edges not in self._searched:
            without = unknown_beside(PARTS, done)
            if not self._knows_off_targets(select_edges):
                without.append(OFF_TARGET)
            self._searched[select_edges] = search_form(
                lambda form: self.regression(select_edges, form),
                self._judge,
                self._training.perturbations,
                hidden=hidden_obstacle(self._training) is None and done is None,
                lines=self._training.lines is not None and done is None,
                without=without,
            )
        return self._searched[select_edges]

    def _knows_off_targets(self, select_edges: bool) -> bool:
        """Whether what doses do to other nodes can be told; only as far as some do nothing."""
        return select_edges and off_target_obstacle(self._training, self._allowed) is None

    def prices(self, form: Form, strength: float | str) -> EdgePrices | None:
        """What edges cost with the prior, None where it says nothing; see `prices_for`."""
        if self._prior is None or strength == 0:
            return None
        if (form, strength) not in self._prices:
            self._prices[form, strength] = prices_for(
                self._prior,
                strength,
                lambda prices: self._best(_Way(True, form, prices)),
                self._training.n_values,
                possible_edges(len(self._nodes), self._allowed),
            )
        return self._prices[form, strength]

    def descent(
        self,
        descended: Network,
        select_edges: bool,
        form: Form = EQ_1,
        strength: float | str = 0.0,
    ) -> list[StartedFit]:
        """From where a descent ended.

        Where that leads to the network that the regression has led to, it is that one, to the bit.
        """
        start, way = "where descent ended", self._way(select_edges, form, strength)
        descended = with_hidden_guess(self._problem(way), descended)
        alike = self._regression(way)
        known = alike[0].found if alike else None
        found = self._refine(descended, way, known)
        if found is None or known is None or found.network is not known.network:
            return self._judged(found, descended, start, way)
        return [StartedFit(replace(fit.found, n_steps=found.n_steps), start) for fit in alike]

    def regression(
        self, select_edges: bool, form: Form = EQ_1, strength: float | str = 0.0
    ) -> list[StartedFit]:
        """From a regression on the measured intervals."""
        return self._regression(self._way(select_edges, form, strength))

    def random(
        self, select_edges: bool, form: Form = EQ_1, strength: float | str = 0.0
    ) -> list[StartedFit]:
        """From the best of many random networks; the same ones for the same data."""
        way = self._way(select_edges, form, strength)
        key = ("random", way)
        if key not in self._known:
            # Random starts take all values alike.
            plain = self._training.plain
            if plain is None:
                # They are followed by Eq. 1 with doses that last.
                return []
            enough = NEXT_TO_NOTHING * float(np.nanmean(plain.measurements**2))
            drawn = random_starts(plain, self._nodes, self._allowed, enough=enough)
            start = f"the best of {drawn.n_starts} random starts"
            self._known[key] = [
                fit
                for one in drawn.networks
                for network in (with_hidden_guess(self._problem(way), one),)
                for fit in self._judged(self._refine(network, way), network, start, way)
            ]
        return self._known[key]

    def told_by(
        self, fit: StartedFit, select_edges: bool, form: Form, strength: float | str
    ) -> list[StartedFit]:
        """From a network that was found, with what it says of the prior, if it says more of it.

        Another start may have found a better network than those that chose the strength.
        """
        if self._prior is None or not select_edges or strength != AUTO:
            return []
        prices = prices_by(
            self._prior,
            fit.found,
            self._best(_Way(True, form, None)),
            self._training.n_values,
            possible_edges(len(self._nodes), self._allowed),
        )
        if prices is None:
            return []
        way, network = _Way(True, form, prices), fit.found.network
        fits = self._judged(self._refine(network, way), network, fit.start, way)
        # The strength is one number more, as in `prices_for`.
        least = fit.found.information - np.log(fit.found.n_values)
        return [one for one in fits if one.found.information < least]

    def _best(self, way: _Way) -> Refined | None:
        """The best fit from a regression."""
        found = (fit.found for fit in self._regression(way))
        return min(found, key=lambda one: one.information, default=None)

    def _way(self, select_edges: bool, form: Form, strength: float | str) -> _Way:
        # Where every edge stays, none has a price.
        return _Way(select_edges, form, self.prices(form, strength) if select_edges else None)

    def _regression(self, way: _Way) -> list[StartedFit]:
        key = ("regression", way)
        if key not in self._known:
            guess = self._guess(way)
            few = self._training.n_nodes <= _MOST_LANDMARKED
            found = self._refine(guess, way, leave_landmarks=few)
            self._known[key] = self._judged(found, guess, "a regression", way)
        return self._known[key]

    def _guess(self, way: _Way) -> Network:
        """Where a refinement from a regression begins."""
        if way.prices is not None and is_large(len(self._nodes)):
            # A whole fit takes minutes, and from the one without prices it is near.
            plain = self._best(_Way(True, way.form, None))
            if plain is not None:
                return plain.network
        return first_guess(self._problem(way), self._nodes, self._allowed)

    def _refine(
        self,
        network: Network,
        way: _Way,
        known: Refined | None = None,
        leave_landmarks: bool = False,
    ) -> Refined | None:
        try:
            return refine(
                self._problem(way),
                network,
                allowed_edges=self._allowed,
                select_edges=way.select_edges,
                known=known,
                leave_landmarks=leave_landmarks,
            )
        except np.linalg.LinAlgError:
            return None

    def _judged(
        self, found: Refined | None, network: Network, start: str, way: _Way
    ) -> list[StartedFit]:
        """What a start led to, if it can be solved, and the same where large residuals count less.

        network: the start, named by `start`.
        """
        if found is None or not np.isfinite(found.information):
            return []
        robust = self._robust(found, network, way)
        return [StartedFit(one, start) for one in (found, robust) if one is not None]

    def _problem(self, way: _Way) -> MultipleShooting:
        problem = self._training
        problem = problem if way.prices is None else replace(problem, prices=way.prices)
        return problem.with_form(way.form) if way.form else problem

    def _robust(self, found: Refined, start: Network, way: _Way) -> Refined | None:
        """The same with large residuals counting less, where the data ask for it."""
        try:
            return refine_robustly(
                self._problem(way),
                found,
                start,
                allowed_edges=self._allowed,
                select_edges=way.select_edges,
            )
        except np.linalg.LinAlgError:
            return None
