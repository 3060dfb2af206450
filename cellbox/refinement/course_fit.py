"""Least squares through whole time courses: where a fit is, and damped steps on from there.

Steps are solved by conjugate gradients (`cellbox.refinement.whole_courses`), or with the whole
curvature where few weights are free (`cellbox.refinement.few_edges`).
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.equation.dynamics import Parameters
from cellbox.networks.network import Network
from cellbox.refinement.amplitude_pooling import AmplitudePool, pool_amplitudes
from cellbox.refinement.driven_rows import Terms, choose_rows
from cellbox.refinement.edge_selection import information_criterion, price_of
from cellbox.refinement.few_edges import MOST_NODES, FewEdges, are_few
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
    row_blocks,
    slope_and_blocks,
    sum_of_squares,
)

# How well the equations of a step are solved and with how many products at most: on the way, where
# the next step is another one anyway, and near the end, where loops that gain want many more.
ROUGHLY, NEARBY = (0.1, 30), (0.01, 150)

# With a larger gain courses come back to measurements before they have gone far.
_HARDLY_DRAWN = 0.05

# For how many steps the same row blocks help.
_STEPS_WITH_THE_SAME_BLOCKS = 4

# Steps from nearby gain a hundredth of the step before, or less.
_MOST_POLISHING_STEPS, _TOLERANCE = 15, 1e-5

# Where steps half as long change the root mean square of the residuals by more than this share of
# that of the measurements, the network is not solved.
_STEP_ERROR = 0.01

# A step that does not lower the objective is shortened this often, or damped more; a search that
# fails this often in a row has arrived.
_SHORTENED, _MOST_SHORTENINGS = 0.4, 4
_MOST_DAMPINGS, _LEAST_DAMPING = 7, 1e-6
MOST_FAILURES = 3

_State = tuple[Parameters, EdgeMask, AmplitudePool, float]


class CourseFit:
    """Parameters, the edges that may differ from zero, and the noise as it is estimated here.

    gain: how strongly courses are drawn to what was measured. is_costly: whether steps take so long
    that rough ones have to do. To be used where JAX computes in float64.
    """

    def __init__(self, problem: MultipleShooting, start: Network, allowed: EdgeMask):
        self.problem, self._series = problem, Series.of(problem)
        self._rough = Series.of(problem, 2 * LONGEST_STEP)
        # Rough steps in float32 take 0.6 of the time. Of smaller networks all are in float64: where
        # loops gain, another rounding may lead astray.
        self.is_costly = problem.n_nodes > MOST_NODES
        self._rougher = self._rough
        if self.is_costly:
            self._rougher = Series.of(problem, 2 * LONGEST_STEP, "float32")
        self.allowed = self.free = allowed
        self.parameters = Parameters(
            jnp.asarray(np.where(allowed, start.weights, 0.0)),
            jnp.log(jnp.asarray(start.amplitudes)),
        )
        self.n_values = problem.n_values
        self.pool = AmplitudePool(0.0, HARDLY_ANY**-0.5, float(problem.n_nodes))
        # The noise's variance as it is estimated now.
        self._scale = problem.mean_square
        self.variance = self._scale / 1000
        self.gain = 0.0
        self._solved = NEARBY
        self._damping = 1.0
        self._n_steps = 0
        self._blocks: RowBlocks | None = None

    def draw(self, gain: float, solved: tuple[float, int]) -> None:
        """Draw courses to what was measured by a gain, and solve equations so well from now on.

        solved: the share of the first residual that may be left, and the most products.
        """
        self.gain, self._blocks, self._solved = gain, None, solved

    def polish(self) -> None:
        """Least squares over the free edges, from nearby."""
        self.descend(_MOST_POLISHING_STEPS, _TOLERANCE)
        self._pool_amplitudes()
        self.descend(_MOST_POLISHING_STEPS, _TOLERANCE)

    def result(self, nodes: tuple[str, ...]) -> Refined:
        """What was found."""
        n_edges = int(self.free.sum())
        coarse = self.left
        total = float(
            sum_of_squares(
                self.parameters, Series.of(self.problem, LONGEST_STEP / 2), jnp.zeros(())
            )
        )
        apart = abs(np.sqrt(total) - np.sqrt(coarse)) / np.sqrt(self._scale * self.n_values)
        spare = self.n_values - n_edges - len(nodes)
        return Refined(
            network=Network(
                nodes,
                np.where(self.free, np.asarray(self.parameters.weights), 0.0),
                np.exp(np.asarray(self.parameters.log_amplitudes)),
            ),
            noise=float(np.sqrt(total / max(1, spare))),
            n_edges=n_edges,
            n_values=self.n_values,
            n_steps=self._n_steps,
            information=self._information(total) if apart <= _STEP_ERROR else np.inf,
            price=self.price,
            prior_strength=None if self.problem.prices is None else self.problem.prices.strength,
        )

    @property
    def criterion(self) -> float:
        """The information criterion of the network as it is."""
        return self._information(self.left)

    def _information(self, total: float) -> float:
        if not np.isfinite(total):
            return np.inf
        return information_criterion(total, self.n_values, 0) + self.price

    @property
    def price(self) -> float:
        """What the network costs in the information criterion, by a prior too if there is one."""
        n_parameters = int(self.free.sum()) + self.pool.n_effective
        price = price_of(self.n_values, n_parameters)
        if self.problem.prices is None:
            return price
        weights = np.where(self.free, np.asarray(self.parameters.weights), 0.0)
        return price + self.problem.prices.total(weights)

    @property
    def left(self) -> float:
        """The sum of squares."""
        return self._sum_of_squares(self.parameters)

    def _sum_of_squares(self, parameters: Parameters) -> float:
        return float(sum_of_squares(parameters, self._series, jnp.asarray(self.gain)))

    def penalty(self, strength: EdgeValues | float) -> Penalty:
        """A ridge on the weights, and what the amplitudes say of one another."""
        like = self.parameters
        return Penalty(
            Parameters(
                jnp.broadcast_to(jnp.asarray(strength, float), like.weights.shape),
                jnp.full_like(like.log_amplitudes, self.pool.width**-2),
            ),
            Parameters(
                jnp.zeros_like(like.weights),
                jnp.full_like(like.log_amplitudes, self.pool.centre),
            ),
        )

    def descend(self, most_steps: int, tolerance: float, most_noise: float = 1.0) -> None:
        """Steps with the weak prior until one gains less than a share, or several fail.

        most_noise: the share of the measurements' mean square that may be taken for noise.
        """
        failures = 0
        for _ in range(most_steps):
            self.variance = min(self.variance, most_noise * self._scale)
            gained = self.step(self.penalty(PRIOR_DEVIATION**-2))
            failures = 0 if gained is not None else failures + 1
            if failures >= MOST_FAILURES or (gained is not None and gained < tolerance):
                return

    def step(self, penalty: Penalty) -> float | None:
        """One step, shortened until it helps; the share of the objective gained, None if none."""

        def objective(at: Parameters) -> float:
            return self._sum_of_squares(at) / self.variance + float(penalty(at))

        here, now = self.parameters, objective(self.parameters)
        self._n_steps += 1
        # Where courses are drawn to measurements, conjugate gradients need few products.
        few = self.gain <= _HARDLY_DRAWN and are_few(self.free)
        for step, damping in self._damped(penalty) if few else self._shortened(penalty):
            moved = jax.tree.map(jnp.add, here, step)
            then = objective(moved)
            if then < now:
                self.parameters = moved
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
        near = self.near()
        yield near.step(penalty, self._damping), 0.1 * self._damping
        for n_times in range(1, _MOST_DAMPINGS):
            damping = self._damping * 10**n_times
            yield near.step(penalty, damping), damping

    def _solve(self, penalty: Penalty) -> Parameters:
        """The next step by conjugate gradients."""
        accuracy, most_products = self._solved
        if self._blocks is None or self._n_steps % _STEPS_WITH_THE_SAME_BLOCKS == 0:
            self._blocks = row_blocks(self.parameters, self._rough, jnp.asarray(self.gain))
        return gauss_newton_step(
            self.parameters,
            self._series,
            jnp.asarray(self.gain),
            jnp.asarray(self.free),
            penalty,
            jnp.asarray(self.variance),
            jnp.asarray(self._damping),
            blocks=self._blocks,
            rough=self._rougher if self._solved == ROUGHLY else self._rough,
            accuracy=accuracy,
            most_products=most_products,
        )

    def near(self) -> FewEdges:
        """What the chi-square is near here over all that is free, which is little."""
        return FewEdges.at(
            self.parameters,
            half_gradient(self.parameters, self._series, jnp.asarray(self.gain)),
            self._rough,
            jnp.asarray(self.gain),
            self.free,
            self.variance,
        )

    def _estimate_variance(self) -> None:
        """What the fit leaves, for each value that no parameter took."""
        spare = max(self.n_values - int(self.free.sum()), 0.9 * self.n_values)
        variance = self.left / spare
        tell_round(np.sqrt(variance), int(self.free.sum()))
        self.variance = max(variance, 1e-12)

    @property
    def state(self) -> _State:
        """What `restore` goes back to."""
        return self.parameters, self.free, self.pool, self.variance

    def restore(self, state: _State) -> None:
        """Go back."""
        self.parameters, self.free, self.pool, self.variance = state

    def keep(self, free: EdgeMask) -> None:
        """Let these edges differ from zero, and no others."""
        self.free = free
        self.parameters = Parameters(
            jnp.where(free, self.parameters.weights, 0.0), self.parameters.log_amplitudes
        )

    def choose_rows(self, times_the_price: float) -> None:
        """Keep the edges that each row chooses by itself, driven by the courses as they are.

        times_the_price: what an edge costs, in units of its price in the criterion.
        """
        measured = self.problem.measured.sum(axis=(0, 1))
        terms = Terms(
            self.allowed, measured, times_the_price * np.log(self.n_values), self.problem.prices
        )
        self.parameters, self.free = choose_rows(
            self.parameters, self._series, jnp.asarray(self.gain), terms
        )
        self._blocks, self._damping = None, 1.0
        self._estimate_variance()

    def _pool_amplitudes(self) -> None:
        """Expect of the amplitudes what they say of one another."""
        if np.isfinite(self.left):
            known = self.near() if are_few(self.free) else self.rows()
            self.pool = pool_amplitudes(*known.amplitudes())

    def rows(self) -> Rows:
        """What each row says of its edges here, by whole courses."""
        slope, blocks = slope_and_blocks(self.parameters, self._series)
        return Rows(
            np.asarray(self.parameters.weights),
            np.asarray(self.parameters.log_amplitudes),
            np.asarray(jnp.concatenate([slope.weights, slope.log_amplitudes[:, None]], axis=1))
            / self.variance,
            np.asarray(blocks.curvature) / self.variance,
            self.free,
            self.allowed,
            price=float(np.log(self.n_values)),
            prices=self.problem.prices,
        )
