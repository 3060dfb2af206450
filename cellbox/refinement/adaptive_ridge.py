"""Refinement at any size: least squares with a penalty that tells edges from no edges.

Every Gauss-Newton step (`cellbox.refinement.whole_courses`) is penalised by a ridge of strength
log(n_values) / (W² + δ²) where it stands: an entry far above δ costs what an edge costs in the
Bayesian information criterion (Schwarz 1978), one far below is drawn to zero ever more strongly
(adaptive ridge, Frommlet & Nuel 2016). Where that comes to rest,

    sum of squares / noise² + log(n_values) Σ log(W² + δ²)

is stationary. Unlike edges left out one by one, this needs no covariance of all entries of W.

The ridge begins while courses are still drawn to what was measured. There nodes hardly depend on
one another's weights, so that its equations are solved with few products, and few conditions do:
a fit of all entries of W to them has no way from there to whole courses.

Where too much is left (few conditions of a large network whose loops gain), each row chooses its
edges by itself, driven by the courses that are drawn to measurements
(`cellbox.refinement.driven_rows`).

What then stays above zero is fitted to whole courses without that penalty. Where that is little,
its whole curvature (`cellbox.refinement.few_edges`) says which edges the criterion wants, of these
and the best that each row proposes. Else rows are asked one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from cellbox.arrays import EdgeMask, Responses
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.networks.network import Network, possible_edges
from cellbox.refinement.course_fit import MOST_FAILURES, NEARBY, ROUGHLY, CourseFit
from cellbox.refinement.few_edges import Around, are_few, are_sparse
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import PRIOR_DEVIATION, Refined
from cellbox.refinement.row_tests import Rows
from cellbox.refinement.whole_courses import Series, residuals

# Gains of the first fits, from interval shooting to whole courses, each with how many steps of the
# adaptive ridge it has at most.
_GAINS = {1.0: 24, 0.3: 6, 0.1: 6, 0.03: 6}

# Courses are whole at once where that is at most so many times the sum of squares, else the gain is
# a third of what it was, until it is as small as this.
_SURVIVED, _LEAST_GAIN = 4.0, 1e-3

# Without the ridge, how far a fit goes: until a step gains less than this share.
_STEPS_PER_GAIN, _ON_THE_WAY = 6, 0.02

_MOST_STEPS_DRAWN = 30

# What an edge costs where rows choose, in units of its price in the criterion: at first more edges
# than pay, since courses do not bear that one is missing.
_TIMES_THE_PRICE = (0.6, 0.6, 1.0)

# A choice that raises the sum of squares so many times lacks an edge. Less says little: where
# courses begin anew at measurements, false edges explain the noise that these begin with.
_BORNE = 1.1

# δ of the penalty: entries of W well below it are no edges.
_SMALL = 0.05
# The search for edges ends where a step neither moves any weight as far nor gains as much, where it
# gains nothing, weights at the edge of zero going to and fro, or where for so many steps the same
# weights have been well above zero and little was gained.
_MOST_ADAPTIVE_STEPS, _SETTLED, _GAINS_LITTLE, _GAINS_NOTHING = 80, 2e-3, 3e-4, 1e-5
_SAME_EDGES, _SAME_EDGES_GAIN = 3, 2e-3

_MOST_REVISIONS = 6

# How many edges more a row proposes where exact derivatives judge them.
_CANDIDATES = 4


def refine_courses(
    problem: MultipleShooting,
    start: Network,
    *,
    allowed_edges: EdgeMask | None = None,
    select_edges: bool = True,
) -> Refined:
    """As `cellbox.refinement.refine.refine`, with time and memory that grow like a gradient's.

    Memory holds every step of all conditions: 1 GB for 100 nodes, 300 conditions and 80 steps.
    """
    with precision_context("float64"), np.errstate(all="ignore"):
        fit = CourseFit(problem, start, possible_edges(problem.n_nodes, allowed_edges))
        if select_edges:
            _EdgeSearch(fit).run()
        else:
            for gain in (*_GAINS, 0.0):
                _approach(fit, gain)
            fit.draw(0.0, NEARBY)
            fit.polish()
        return fit.result(start.nodes)


def explain_courses(problem: MultipleShooting, network: Network) -> Refined:
    """How well the whole courses of a network as it is explain the data."""
    with precision_context("float64"), np.errstate(all="ignore"):
        return CourseFit(problem, network, network.weights != 0).result(network.nodes)


def residuals_of_courses(problem: MultipleShooting, network: Network) -> Responses:
    """What whole courses leave of each measured value, as `residuals_of`."""
    plain = replace(problem, weights=None)
    with precision_context("float64"), np.errstate(all="ignore"):
        parameters = Parameters(
            jnp.asarray(network.weights), jnp.log(jnp.asarray(network.amplitudes))
        )
        apart = np.asarray(residuals(parameters, Series.of(plain), jnp.zeros(())))
    return np.moveaxis(apart, -1, 0)[: len(problem.perturbations)]


def _approach(fit: CourseFit, gain: float) -> None:
    """A first fit with courses drawn to measurements, of all edges that may be."""
    fit.draw(gain, ROUGHLY)
    # What a poor fit leaves is no noise, and a prior as strong would keep it poor.
    fit.descend(_STEPS_PER_GAIN, _ON_THE_WAY, most_noise=0.1)


class _EdgeSearch:
    """Finds the edges that the data ask for, and leaves a fit of these alone."""

    def __init__(self, fit: CourseFit):
        self._fit = fit
        # Sets of edges that were tried and do not pay.
        self._refused: set[bytes] = set()

    def run(self) -> None:
        """From a rough start to the end."""
        fit = self._fit
        _approach(fit, 1.0)
        approached = fit.state
        # With few conditions, a fit of all edges finds no way from drawn courses to whole ones.
        for gain, n_steps in _GAINS.items():
            fit.draw(gain, ROUGHLY)
            self._draw_to_zero(n_steps)
        drawn = fit.state
        fit.keep(self._seeming_edges())
        if not are_sparse(fit.free):
            fit.restore(approached)
            self._choose_by_rows()
        if are_sparse(fit.free):
            self._let_go()
        else:
            fit.restore(drawn)
            fit.draw(0.0, NEARBY)
            self._draw_to_zero(_MOST_ADAPTIVE_STEPS)
            fit.keep(self._seeming_edges())
        fit.polish()
        for _ in range(_MOST_REVISIONS):
            if are_few(fit.free):
                better = self._exchange()
            else:
                # Both, one after the other: one that is let in may make another one needless.
                better = self._revise(Rows.needless)
                better |= self._revise(Rows.surely_missing)
            if not better:
                break
        # Many of these fit noise, and together they rarely pay: they are asked once.
        if not are_few(fit.free) and self._revise(Rows.missing):
            self._revise(Rows.needless)

    def _choose_by_rows(self) -> None:
        """Edges that rows choose, driven by courses that are drawn to measurements."""
        fit = self._fit
        fit.draw(1.0, NEARBY)
        for times in _TIMES_THE_PRICE:
            before, left = fit.state, fit.left
            fit.choose_rows(times)
            fit.descend(_MOST_STEPS_DRAWN, _SETTLED)
            if not fit.left < _BORNE * left:
                fit.restore(before)

    def _draw_to_zero(self, most_steps: int) -> None:
        """Steps of the adaptive ridge, until it is settled which entries stay above zero."""
        failures = same = 0
        for _ in range(most_steps):
            before, edges = np.asarray(self._fit.parameters.weights), self._seeming_edges()
            price, prices = np.log(self._fit.n_values), self._fit.problem.prices
            if prices is not None:
                price = price + prices.of(before)
            strength = price / (before**2 + _SMALL**2)
            gained = self._fit.step(self._fit.penalty(strength))
            if gained is None:
                failures, same = failures + 1, 0
                if failures >= MOST_FAILURES:
                    return
                continue
            failures = 0
            unchanged = (edges == self._seeming_edges()).all() and gained < _SAME_EDGES_GAIN
            same = same + 1 if unchanged else 0
            moved = np.abs(np.asarray(self._fit.parameters.weights) - before).max()
            # Short steps that gain are on their way: where loops gain, no step comes far.
            # Those of costly networks can as well go on where courses are drawn less.
            can_wait = self._fit.is_costly and self._fit.gain > 0
            least = _GAINS_LITTLE if moved < _SETTLED or can_wait else _GAINS_NOTHING
            if same >= _SAME_EDGES or gained < least:
                return

    def _let_go(self) -> None:
        """From courses that are drawn to measurements to whole ones, no faster than a fit bears."""
        while self._fit.gain > 0:
            self._fit.descend(_STEPS_PER_GAIN, _ON_THE_WAY)
            drawn = self._fit.left
            gain, self._fit.gain = self._fit.gain, 0.0
            whole = self._fit.left
            if gain > _LEAST_GAIN and not whole < _SURVIVED * drawn:
                self._fit.gain = gain / 3
        self._fit.draw(0.0, NEARBY)

    def _seeming_edges(self) -> EdgeMask:
        """What the penalty has not drawn to zero so far."""
        return self._fit.free & (np.abs(np.asarray(self._fit.parameters.weights)) > _SMALL / 2)

    def _exchange(self) -> bool:
        """Keep what pays of the edges there are and of those that rows propose; whether it did."""
        fit, known = self._fit, self._fit.free
        before, criterion = fit.state, fit.criterion
        rows = fit.rows()
        anew = rows.begun_anew()
        proposed = rows.candidates(_CANDIDATES)
        for row, sources in enumerate(anew):
            proposed[row, list(sources)] = True
        fit.keep(known | proposed)
        around = Around(fit.left, fit.pool, fit.n_values, fit.problem.prices)
        fit.keep(fit.near().worth_their_price(around, known, anew))
        if (fit.free != known).any():
            fit.polish()
            if fit.criterion < criterion:
                return True
        fit.restore(before)
        return False

    def _revise(self, proposed: Callable[[Rows], EdgeMask]) -> bool:
        """Leave edges out, or let some in, if that lowers the criterion; whether it did."""
        fit = self._fit
        before, criterion, price = fit.state, fit.criterion, fit.price
        free = fit.free ^ proposed(fit.rows())
        if (free == fit.free).all() or free.tobytes() in self._refused:
            return False
        grows = free.sum() > fit.free.sum()
        fit.keep(free)
        if not grows or self._may_pay(price):
            fit.polish()
            if fit.criterion < criterion:
                return True
        self._refused.add(free.tobytes())
        fit.restore(before)
        return False

    def _may_pay(self, price: float) -> bool:
        """Whether edges let in may lower the criterion, by what one step with them gains.

        price: of the network without them.

        Rows judge without what other nodes answer: where loops gain, they expect far too much. The
        first step makes nearly all of the gain, so that what half pays by it is worth more steps.
        """
        before = self._fit.left
        self._fit.step(self._fit.penalty(PRIOR_DEVIATION**-2))
        gained = self._fit.n_values * np.log(before / self._fit.left)
        return bool(2 * gained > self._fit.price - price)
