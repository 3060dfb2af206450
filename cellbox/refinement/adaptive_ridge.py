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

What then stays above zero is fitted to whole courses without that penalty. Where that is little,
its whole curvature (`cellbox.refinement.few_edges`) says which edges the criterion wants, of these
and the best that each row proposes. Else rows are asked one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from cellbox.arrays import EdgeMask, EdgeValues, Responses
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.networks.network import Network, possible_edges
from cellbox.refinement.amplitude_pooling import AmplitudePool, pool_amplitudes
from cellbox.refinement.edge_selection import information_criterion, price_of
from cellbox.refinement.few_edges import FewEdges, are_few
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import PRIOR_DEVIATION, Refined
from cellbox.refinement.rounds import tell_round
from cellbox.refinement.row_tests import HARDLY_ANY, Rows
from cellbox.refinement.whole_courses import (
    LONGEST_STEP,
    Penalty,
    RowBlocks,
    Series,
    gauss_newton_step,
    half_gradient,
    residuals,
    row_blocks,
    slope_and_blocks,
    sum_of_squares,
)

# Gains of the first fits, from interval shooting to whole courses, each with how many steps of the
# adaptive ridge it has at most.
_GAINS = {1.0: 24, 0.3: 6, 0.1: 6, 0.03: 6}

# Courses are whole at once where that is at most so many times the sum of squares, else the gain is
# a third of what it was, until it is as small as this.
_SURVIVED, _LEAST_GAIN = 4.0, 1e-3

# Without the ridge, how far a fit goes: until a step gains less than this share.
_STEPS_PER_GAIN, _ON_THE_WAY = 6, 0.02

# δ of the penalty: entries of W well below it are no edges.
_SMALL = 0.05
# The search for edges ends where a step neither moves any weight as far nor gains as much, or where
# for so many steps the same weights have been well above zero and little was gained.
_MOST_ADAPTIVE_STEPS, _SETTLED, _GAINS_LITTLE = 80, 2e-3, 3e-4
_SAME_EDGES, _SAME_EDGES_GAIN = 3, 2e-3

# How well the equations of a step are solved and with how many products at most: on the way, where
# the next step is another one anyway, and near the end, where loops that gain want many more.
_ON_THE_WAY_SOLVED, _NEAR_SOLVED = (0.1, 30), (0.01, 150)

# For how many steps the same row blocks help.
_STEPS_WITH_THE_SAME_BLOCKS = 4

# Steps from nearby gain a hundredth of the step before, or less.
_MOST_POLISHING_STEPS, _TOLERANCE = 15, 1e-5
_MOST_REVISIONS = 6

# How many edges more a row proposes where exact derivatives judge them.
_CANDIDATES = 4

# Where steps half as long change the root mean square of the residuals by more than this share of
# that of the measurements, the network is not solved.
_STEP_ERROR = 0.01

# A step that does not lower the objective is shortened this often; a search that fails this often
# in a row has arrived.
_SHORTENED, _MOST_SHORTENINGS, _MOST_FAILURES = 0.4, 4, 3
_MOST_DAMPINGS, _LEAST_DAMPING = 7, 1e-6


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
        search = _Search(problem, start, possible_edges(problem.n_nodes, allowed_edges))
        search.approach(select_edges)
        if select_edges:
            search.select()
        else:
            search.polish()
        return search.result(start.nodes)


def explain_courses(problem: MultipleShooting, network: Network) -> Refined:
    """How well the whole courses of a network as it is explain the data."""
    with precision_context("float64"), np.errstate(all="ignore"):
        return _Search(problem, network, network.weights != 0).result(network.nodes)


def residuals_of_courses(problem: MultipleShooting, network: Network) -> Responses:
    """What whole courses leave of each measured value, as `residuals_of`."""
    plain = replace(problem, weights=None)
    with precision_context("float64"), np.errstate(all="ignore"):
        parameters = Parameters(
            jnp.asarray(network.weights), jnp.log(jnp.asarray(network.amplitudes))
        )
        apart = np.asarray(residuals(parameters, Series.of(plain), jnp.zeros(())))
    return np.moveaxis(apart, -1, 0)[: len(problem.perturbations)]


class _Search:
    """Where the refinement is: parameters, and the edges that may differ from zero."""

    def __init__(self, problem: MultipleShooting, start: Network, allowed: EdgeMask):
        self._problem, self._series = problem, Series.of(problem)
        self._rough = Series.of(problem, 2 * LONGEST_STEP)
        self._allowed = self._free = allowed
        self._parameters = Parameters(
            jnp.asarray(np.where(allowed, start.weights, 0.0)),
            jnp.log(jnp.asarray(start.amplitudes)),
        )
        self._n_values = problem.n_values
        self._pool = AmplitudePool(0.0, HARDLY_ANY**-0.5, float(problem.n_nodes))
        # The noise's variance as it is estimated now.
        self._scale = problem.mean_square
        self._variance = self._scale / 1000
        self._gain = 0.0
        self._solved = _NEAR_SOLVED
        self._damping = 1.0
        self._n_steps = 0
        self._blocks: RowBlocks | None = None
        # Sets of edges that were tried and do not pay.
        self._refused: set[bytes] = set()

    def approach(self, select_edges: bool) -> None:
        """The first fit, from a rough start, over all edges that may be.

        select_edges: draw to zero what the data do not ask for, already where courses are drawn to
        the measurements: with few conditions, a fit of all edges finds no way to whole courses.
        """
        self._solved = _ON_THE_WAY_SOLVED
        for gain, n_steps in _GAINS.items():
            self._gain, self._blocks = gain, None
            if gain == 1.0 or not select_edges:
                # What a poor fit leaves is no noise, and a prior as strong would keep it poor.
                self._descend(_STEPS_PER_GAIN, _ON_THE_WAY, most_noise=0.1)
            if select_edges:
                self._draw_to_zero(n_steps)
        if not select_edges:
            self._gain, self._blocks = 0.0, None
            self._descend(_STEPS_PER_GAIN, _ON_THE_WAY, most_noise=0.1)
        self._solved = _NEAR_SOLVED

    def select(self) -> None:
        """Find the edges that the data ask for, and fit these alone."""
        if are_few(self._seeming_edges()):
            self._keep(self._seeming_edges())
            self._let_go()
        else:
            self._gain, self._blocks = 0.0, None
            self._draw_to_zero(_MOST_ADAPTIVE_STEPS)
            self._keep(self._seeming_edges())
        self.polish()
        for _ in range(_MOST_REVISIONS):
            if are_few(self._free):
                better = self._exchange()
            else:
                # Both, one after the other: one that is let in may make another one needless.
                better = self._revise(Rows.needless)
                better |= self._revise(Rows.surely_missing)
            if not better:
                break
        # Many of these fit noise, and together they rarely pay: they are asked once.
        if not are_few(self._free) and self._revise(Rows.missing):
            self._revise(Rows.needless)

    def _draw_to_zero(self, most_steps: int) -> None:
        """Steps of the adaptive ridge, until it is settled which entries stay above zero."""
        failures = same = 0
        for _ in range(most_steps):
            before, edges = np.asarray(self._parameters.weights), self._seeming_edges()
            price, prices = np.log(self._n_values), self._problem.prices
            if prices is not None:
                price = price + prices.of(before)
            strength = price / (before**2 + _SMALL**2)
            gained = self._step(self._penalty(strength))
            if gained is None:
                failures, same = failures + 1, 0
                if failures >= _MOST_FAILURES:
                    return
                continue
            failures = 0
            unchanged = (edges == self._seeming_edges()).all() and gained < _SAME_EDGES_GAIN
            same = same + 1 if unchanged else 0
            moved = np.abs(np.asarray(self._parameters.weights) - before).max()
            # Short steps that gain are on their way: where loops gain, no step comes far.
            if same >= _SAME_EDGES or (moved < _SETTLED and gained < _GAINS_LITTLE):
                return

    def _let_go(self) -> None:
        """From courses that are drawn to measurements to whole ones, no faster than a fit bears."""
        while self._gain > 0:
            self._descend(_STEPS_PER_GAIN, _ON_THE_WAY)
            drawn = self._sum_of_squares(self._parameters)
            gain, self._gain = self._gain, 0.0
            whole = self._sum_of_squares(self._parameters)
            if gain > _LEAST_GAIN and not whole < _SURVIVED * drawn:
                self._gain = gain / 3

    def _seeming_edges(self) -> EdgeMask:
        """What the penalty has not drawn to zero so far."""
        return self._free & (np.abs(np.asarray(self._parameters.weights)) > _SMALL / 2)

    def polish(self) -> None:
        """Least squares over the free edges, from nearby."""
        self._descend(_MOST_POLISHING_STEPS, _TOLERANCE)
        self._pool_amplitudes()
        self._descend(_MOST_POLISHING_STEPS, _TOLERANCE)

    def result(self, nodes: tuple[str, ...]) -> Refined:
        """What was found."""
        n_edges = int(self._free.sum())
        coarse = self._sum_of_squares(self._parameters)
        total = float(
            sum_of_squares(
                self._parameters, Series.of(self._problem, LONGEST_STEP / 2), jnp.zeros(())
            )
        )
        apart = abs(np.sqrt(total) - np.sqrt(coarse)) / np.sqrt(self._scale * self._n_values)
        spare = self._n_values - n_edges - len(nodes)
        return Refined(
            network=Network(
                nodes,
                np.where(self._free, np.asarray(self._parameters.weights), 0.0),
                np.exp(np.asarray(self._parameters.log_amplitudes)),
            ),
            noise=float(np.sqrt(total / max(1, spare))),
            n_edges=n_edges,
            n_values=self._n_values,
            n_steps=self._n_steps,
            information=self._information(total) if apart <= _STEP_ERROR else np.inf,
            price=self._price,
            prior_strength=None if self._problem.prices is None else self._problem.prices.strength,
        )

    def _information(self, total: float) -> float:
        if not np.isfinite(total):
            return np.inf
        return information_criterion(total, self._n_values, 0) + self._price

    @property
    def _price(self) -> float:
        """What the network costs in the information criterion, by a prior too if there is one."""
        n_parameters = int(self._free.sum()) + self._pool.n_effective
        price = price_of(self._n_values, n_parameters)
        if self._problem.prices is None:
            return price
        weights = np.where(self._free, np.asarray(self._parameters.weights), 0.0)
        return price + self._problem.prices.total(weights)

    def _sum_of_squares(self, parameters: Parameters) -> float:
        return float(sum_of_squares(parameters, self._series, jnp.asarray(self._gain)))

    def _penalty(self, strength: EdgeValues | float) -> Penalty:
        """A ridge on the weights, and what the amplitudes say of one another."""
        like = self._parameters
        return Penalty(
            Parameters(
                jnp.broadcast_to(jnp.asarray(strength, float), like.weights.shape),
                jnp.full_like(like.log_amplitudes, self._pool.width**-2),
            ),
            Parameters(
                jnp.zeros_like(like.weights),
                jnp.full_like(like.log_amplitudes, self._pool.centre),
            ),
        )

    def _descend(self, most_steps: int, tolerance: float, most_noise: float = 1.0) -> None:
        """Steps with the weak prior until one gains less than a share, or several fail.

        most_noise: the share of the measurements' mean square that may be taken for noise.
        """
        failures = 0
        for _ in range(most_steps):
            self._variance = min(self._variance, most_noise * self._scale)
            gained = self._step(self._penalty(PRIOR_DEVIATION**-2))
            failures = 0 if gained is not None else failures + 1
            if failures >= _MOST_FAILURES or (gained is not None and gained < tolerance):
                return

    def _step(self, penalty: Penalty) -> float | None:
        """One step, shortened until it helps; the share of the objective gained, None if none."""

        def objective(at: Parameters) -> float:
            return self._sum_of_squares(at) / self._variance + float(penalty(at))

        here, now = self._parameters, objective(self._parameters)
        self._n_steps += 1
        few = are_few(self._free)
        for step, damping in self._damped(penalty) if few else self._shortened(penalty):
            moved = jax.tree.map(jnp.add, here, step)
            then = objective(moved)
            if then < now:
                self._parameters = moved
                self._damping = max(damping, _LEAST_DAMPING)
                self._estimate_variance()
                return (now - then) / now
        self._damping = min(self._damping * 30, 1e4)
        return None

    def _shortened(self, penalty: Penalty) -> Iterator[tuple[Parameters, float]]:
        """A step of conjugate gradients, then shorter ones, each with the damping after it."""
        step = self._solve(penalty)
        yield step, 0.1 * self._damping
        for _ in range(1, _MOST_SHORTENINGS):
            step = jax.tree.map(lambda part: _SHORTENED * part, step)
            yield step, 0.5 * self._damping

    def _damped(self, penalty: Penalty) -> Iterator[tuple[Parameters, float]]:
        """Steps ever more damped, each with the damping after it."""
        near = self._near()
        yield near.step(penalty, self._damping), 0.1 * self._damping
        for n_times in range(1, _MOST_DAMPINGS):
            damping = self._damping * 10**n_times
            yield near.step(penalty, damping), damping

    def _solve(self, penalty: Penalty) -> Parameters:
        """The next step by conjugate gradients."""
        accuracy, most_products = self._solved
        if self._blocks is None or self._n_steps % _STEPS_WITH_THE_SAME_BLOCKS == 0:
            self._blocks = row_blocks(self._parameters, self._rough, jnp.asarray(self._gain))
        return gauss_newton_step(
            self._parameters,
            self._series,
            jnp.asarray(self._gain),
            jnp.asarray(self._free),
            penalty,
            jnp.asarray(self._variance),
            jnp.asarray(self._damping),
            blocks=self._blocks,
            rough=self._rough,
            accuracy=accuracy,
            most_products=most_products,
        )

    def _near(self) -> FewEdges:
        """What the chi-square is near here over all that is free, which is little."""
        return FewEdges.at(
            self._parameters,
            half_gradient(self._parameters, self._series, jnp.asarray(self._gain)),
            self._rough,
            jnp.asarray(self._gain),
            self._free,
            self._variance,
        )

    def _estimate_variance(self) -> None:
        """What the fit leaves, for each value that no parameter took."""
        spare = max(self._n_values - int(self._free.sum()), 0.9 * self._n_values)
        variance = self._sum_of_squares(self._parameters) / spare
        tell_round(np.sqrt(variance), int(self._free.sum()))
        self._variance = max(variance, 1e-12)

    def _keep(self, free: EdgeMask) -> None:
        self._free = free
        self._parameters = Parameters(
            jnp.where(free, self._parameters.weights, 0.0), self._parameters.log_amplitudes
        )

    def _exchange(self) -> bool:
        """Keep what pays of the edges there are and of those that rows propose; whether it did."""
        before = (self._parameters, self._free, self._pool, self._variance)
        information = self._information(self._sum_of_squares(self._parameters))
        rows = self._rows()
        self._keep(self._free | rows.candidates(_CANDIDATES) | rows.begun_anew())
        left = self._sum_of_squares(self._parameters)
        worth = self._near().worth_their_price(
            left, self._pool, self._n_values, before[1], self._problem.prices
        )
        self._keep(worth)
        if (self._free != before[1]).any():
            self.polish()
            if self._information(self._sum_of_squares(self._parameters)) < information:
                return True
        self._parameters, self._free, self._pool, self._variance = before
        return False

    def _revise(self, proposed: Callable[[Rows], EdgeMask]) -> bool:
        """Leave edges out, or let some in, if that lowers the criterion; whether it did."""
        before = (self._parameters, self._free, self._pool, self._variance)
        information = self._information(self._sum_of_squares(self._parameters))
        free = self._free ^ proposed(self._rows())
        if (free == self._free).all() or free.tobytes() in self._refused:
            return False
        price, grows = self._price, free.sum() > self._free.sum()
        self._keep(free)
        if not grows or self._may_pay(price):
            self.polish()
            if self._information(self._sum_of_squares(self._parameters)) < information:
                return True
        self._refused.add(free.tobytes())
        self._parameters, self._free, self._pool, self._variance = before
        return False

    def _may_pay(self, price: float) -> bool:
        """Whether edges let in may lower the criterion, by what one step with them gains.

        price: of the network without them.

        Rows judge without what other nodes answer: where loops gain, they expect far too much. The
        first step makes nearly all of the gain, so that what half pays by it is worth more steps.
        """
        before = self._sum_of_squares(self._parameters)
        self._step(self._penalty(PRIOR_DEVIATION**-2))
        gained = self._n_values * np.log(before / self._sum_of_squares(self._parameters))
        return bool(2 * gained > self._price - price)

    def _pool_amplitudes(self) -> None:
        """Expect of the amplitudes what they say of one another."""
        if np.isfinite(self._sum_of_squares(self._parameters)):
            known = self._near() if are_few(self._free) else self._rows()
            self._pool = pool_amplitudes(*known.amplitudes())

    def _rows(self) -> Rows:
        slope, blocks = slope_and_blocks(self._parameters, self._series)
        return Rows(
            np.asarray(self._parameters.weights),
            np.asarray(self._parameters.log_amplitudes),
            np.asarray(jnp.concatenate([slope.weights, slope.log_amplitudes[:, None]], axis=1))
            / self._variance,
            np.asarray(blocks.curvature) / self._variance,
            self._free,
            self._allowed,
            price=float(np.log(self._n_values)),
            prices=self._problem.prices,
        )
