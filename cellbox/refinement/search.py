"""A search for least squares with free states: where it is, and the stages of its selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeMask, Responses
from cellbox.networks.network import Network, possible_edges
from cellbox.refinement.amplitude_pooling import pool_amplitudes
from cellbox.refinement.damped_steps import FAR, NEAR, least_squares
from cellbox.refinement.edge_selection import (
    Minimum,
    information_criterion,
    inverse,
    leave_out,
    missing_edge,
    price_of,
)
from cellbox.refinement.hidden_drives import point_with_drives
from cellbox.refinement.landmarks import Landmark
from cellbox.refinement.linearised import Iterate, Quadratic
from cellbox.refinement.multiple_shooting import TIGHT, MultipleShooting
from cellbox.refinement.refined import PRIOR_DEVIATION, Refined
from cellbox.refinement.rounds import tell_round
from cellbox.refinement.rows_anew import Here, choose_rows_anew

# Standard deviation of a prior on log α that says next to nothing.
_HARDLY_ANY_PRIOR = 10.0

# A first fit leaves the states nearly free, and ties them ever more tightly: from a rough start it
# would else stay in the next best valley.
_TIES = (30.0, 3.0, 0.3, TIGHT)

# A search ends when a step gains less than this share; on the way it need not arrive.
_TOLERANCE, _ON_THE_WAY = 1e-6, 1e-3

# In one stage no more than this share of the edges is left out.
SHARE_LEFT_OUT = 0.4
_MOST_STAGES = 20

# How often rows choose anew, as long as that lowers the criterion by so much.
_MOST_CHOICES, _LEAST_GAIN = 5, 1e-3


class State(NamedTuple):
    """Where a search is, and what it expects of the parameters and of the noise."""

    point: Iterate
    free: Bool[np.ndarray, " n_parameters"]
    expected: Float[np.ndarray, " n_parameters"]
    deviation: Float[np.ndarray, " n_parameters"]
    n_amplitudes: float
    variance: float


class Search:
    """Where the refinement is: a point, and the parameters that may differ from zero."""

    def __init__(
        self,
        problem: MultipleShooting,
        start: Network,
        allowed_edges: EdgeMask | None,
        *,
        leaves_landmarks: bool = False,
    ):
        n_nodes = problem.n_nodes
        self.landmarks: list[Landmark] = []
        self._leaves_landmarks = leaves_landmarks
        allowed = possible_edges(problem.n_shown, allowed_edges)
        self._problem = problem
        prices, n_parameters = problem.prices, problem.n_parameters
        self._surcharges = None if prices is None else prices.of_parameters(n_parameters)
        self._point = point_with_drives(problem, start)
        form, places = problem.form, np.arange(problem.n_parameters)
        self._is_weight = places < n_nodes**2
        self._is_amplitude = ~self._is_weight & (places < n_nodes**2 + n_nodes)
        self._is_of_form = ~self._is_weight & ~self._is_amplitude
        # Those of hidden nodes are a convention.
        self._is_amplitude &= places < n_nodes**2 + problem.n_shown
        self._allowed = problem.free(allowed)
        self._expected = np.where(self._is_amplitude, self._point.parameters, 0.0)
        self._free = self._allowed
        self._needed = np.zeros(len(self._allowed), bool)
        self._deviation = np.full(len(self._free), PRIOR_DEVIATION)
        self._n_amplitudes = float(n_nodes) if form.has_amplitudes else 0.0
        self.n_steps = 0
        # The responses' mean square, and the noise's variance as it is estimated now: at first
        # that of a hundredth of the responses.
        self._scale = problem.mean_square
        self._variance = self._scale / 10_000

    def approach(self, known: Sequence[Landmark] = ()) -> bool:
        """The first fit, from a rough start, over no more parameters than the data can tell.

        known: landmarks that another search left. Returns whether this one has come to one of
        them, and then goes no further.
        """
        self._free = self._no_more_than_the_data_tell()
        self._point = self._point._replace(
            parameters=np.where(self._free, self._point.parameters, 0.0)
        )
        for stage, tie in enumerate(_TIES):
            self._problem = replace(self._problem, tie=tie)
            self._descend(damping=FAR, tolerance=_TOLERANCE if tie == TIGHT else _ON_THE_WAY)
            if self._ends_stage(known[stage : stage + 1]):
                return True
        self.fit()
        return self._ends_stage(known[len(_TIES) :])

    def _ends_stage(self, known: Sequence[Landmark]) -> bool:
        """Leave a landmark, if asked to; whether the search is at the known one, if any is."""
        if self._leaves_landmarks:
            precision = self._penalised(self._free).curvature / self._variance
            self.landmarks.append(Landmark(self._point.parameters, self._free, precision))
        return any(mark.is_near(self._point.parameters, self._free) for mark in known)

    def fit(self) -> None:
        """Least squares over the free parameters, from nearby."""
        # Twice: how strong the prior is depends on the noise, and where it draws amplitudes on
        # what they are, which the first fit tells.
        self._descend(damping=NEAR, tolerance=_TOLERANCE)
        self._pool_amplitudes()
        self._descend(damping=NEAR, tolerance=_TOLERANCE)

    def _descend(self, damping: float, tolerance: float) -> None:
        """One search for the minimum, and what it tells of the noise."""
        self._point, taken = least_squares(
            self._problem,
            self._point,
            self._free,
            expected=self._expected,
            penalty=self._penalty,
            damping=damping,
            tolerance=tolerance,
        )
        self.n_steps += taken
        spare = self._problem.n_values - int(self._free.sum())
        variance = self._problem.sum_of_squares(self._point) / max(
            spare, self._problem.n_values // 4
        )
        tell_round(np.sqrt(variance), int((self._free & self._is_weight).sum()))
        # What a poor fit leaves is not noise, and a prior as strong would keep the fit poor.
        self._variance = min(variance, self._scale / 10)

    @property
    def _penalty(self) -> Float[np.ndarray, " n_parameters"]:
        """What stands for the prior in the sum of squares."""
        return self._variance / self._deviation**2

    def _pool_amplitudes(self) -> None:
        """Expect of the amplitudes what they say of one another."""
        if not self._problem.form.has_amplitudes:
            return
        if not np.isfinite(self._problem.sum_of_squares(self._point)):
            return
        amplitudes = self._is_amplitude
        # As if amplitudes had next to no prior, since it is to come from them.
        deviation = np.where(amplitudes, _HARDLY_ANY_PRIOR, self._deviation)
        quadratic = self._penalised(self._free, deviation)
        covariance = inverse(quadratic.curvature)
        among_free = amplitudes[self._free]
        step = -(covariance @ quadratic.gradient)[among_free]
        pool = pool_amplitudes(
            self._point.parameters[amplitudes] + step,
            self._variance * covariance[np.ix_(among_free, among_free)],
        )
        self._expected = np.where(amplitudes, pool.centre, self._expected)
        self._deviation = np.where(amplitudes, pool.width, self._deviation)
        self._n_amplitudes = pool.n_effective

    def fit_states(self) -> None:
        """Fit the free states alone."""
        nothing = np.zeros_like(self._free)
        self._point, self.n_steps = least_squares(self._problem, self._point, nothing)

    @property
    def apart(self) -> Responses:
        """What the states leave of the measurements; not a number where they cannot be solved.

        Nor where they are not what Eq. 1 leads to: ties that cost more than the measurements.
        """
        apart = self._problem.apart_by_errors(self._point)
        total, of_measurements = self._problem.sum_of_squares(self._point), float(np.sum(apart**2))
        return apart * (1.0 if total <= 2 * of_measurements else np.nan)

    def select(self) -> None:
        """The edges of the lowest information criterion that changes of the network lead to.

        Edges are left out and let in one by one. Then each row chooses anew by itself, since where
        data are few several edges may have taken the place of one.
        """
        self._leave_out_and_let_in()
        for _ in range(_MOST_CHOICES):
            before, criterion = self._state, self.criterion
            if not self._choose_rows_anew():
                return
            self._leave_out_and_let_in()
            if not self.criterion < criterion - _LEAST_GAIN:
                self._state = before
                return

    def _leave_out_and_let_in(self) -> None:
        """Leave edges out, and let them in, until neither lowers the information criterion.

        Where the quadratic was so wrong that this ends without any edge, in a network that fits
        worse than one on the way, that one is taken.
        """
        seen: set[bytes] = set()
        best, lowest = self._state, np.inf
        # A selection that came up before would come up for ever.
        while self._free.tobytes() not in seen and len(seen) < _MOST_STAGES:
            seen.add(self._free.tobytes())
            # What nearly as many parameters as values leave says nothing.
            if 2 * int(self._free.sum()) <= self._problem.n_values and self.criterion < lowest:
                best, lowest = self._state, self.criterion
            if not (self._leave_out() or self._let_in()):
                break
        if not (self._free & self._is_weight).any() and lowest < self.criterion:
            self._state = best

    def _leave_out(self) -> bool:
        """Leave something out, if that helps; whether anything was."""
        return self._drop()

    def _let_in(self) -> bool:
        """Let something in that helps; whether there was anything."""
        return self._add()

    def result(self, nodes: tuple[str, ...]) -> Refined:
        """What was found."""
        n_values, n_edges = self._problem.n_values, int((self._free & self._is_weight).sum())
        spare = n_values - self._n_chosen - self._problem.n_nodes
        total = self._problem.sum_of_squares(self._point)
        prices = self._problem.prices
        return Refined(
            network=self._problem.network(self._point, nodes),
            noise=float(np.sqrt(total / max(1, spare))),
            n_edges=n_edges,
            n_values=n_values,
            n_steps=self.n_steps,
            information=self.criterion,
            price=self._price,
            landmarks=tuple(self.landmarks),
            prior_strength=None if prices is None else prices.strength,
        )

    @property
    def criterion(self) -> float:
        """The information criterion of the network as it is now."""
        total = self._problem.sum_of_squares(self._point)
        return information_criterion(total, self._problem.n_values, 0) + self._price

    @property
    def _n_chosen(self) -> int:
        """How many edges and numbers of the form there are."""
        return int((self._free & ~self._is_amplitude).sum())

    @property
    def _price(self) -> float:
        """What the parameters cost in the criterion."""
        n_parameters = self._n_chosen + self._n_amplitudes
        price, prices = price_of(self._problem.n_values, n_parameters), self._problem.prices
        if prices is None:
            return price
        names = tuple(str(node) for node in range(self._problem.n_shown))
        return price + prices.total(self._problem.network(self._point, names).weights)

    def _minimum(self, quadratic: Quadratic) -> Minimum:
        return Minimum(quadratic.curvature, self._penalised_sum(), self._problem.n_values)

    def _drop(self, most: int | None = None) -> bool:
        """Leave out edges, if the quadratic says so; whether any was.

        most: so many, by default a share of those that are left.
        """
        free = self._free
        quadratic = self._penalised(free)
        n_free = int(free.sum())
        most = max(1, int(SHARE_LEFT_OUT * n_free)) if most is None else most
        kept, values = leave_out(
            self._minimum(quadratic),
            self._point.parameters[free],
            ~(self._is_amplitude | self._needed)[free],
            fewest=n_free - most,
            surcharges=None if self._surcharges is None else self._surcharges.among(free),
        )
        if kept.all():
            return False
        moved = quadratic.moved(self._point, free, values - self._point.parameters[free])
        self._free = free.copy()
        self._free[free] = kept
        # Far from the minimum the quadratic may mislead; the network without them is then nearer.
        plain = Iterate(self._point.parameters * self._free, self._point.states)
        self._point = min(moved, plain, key=self._problem.sum_of_squares)
        self.fit()
        return True

    def _choose_rows_anew(self) -> bool:
        """Let each row choose its edges by itself; whether any chose others."""
        here = Here(
            self._problem,
            self._point.parameters,
            self._free,
            self._allowed,
            self._penalised(self._allowed),
            self._penalised_sum(),
            self._surcharges,
        )
        chosen = choose_rows_anew(here)
        if (chosen.free == self._free).all():
            return False
        self._free, self._point = chosen.free, Iterate(chosen.parameters, self._point.states)
        self._descend(damping=FAR, tolerance=_ON_THE_WAY)
        self.fit()
        return True

    @property
    def _state(self) -> State:
        """Where the search is, to come back to."""
        return State(
            self._point,
            self._free,
            self._expected,
            self._deviation,
            self._n_amplitudes,
            self._variance,
        )

    @_state.setter
    def _state(self, state: State) -> None:
        self._point, self._free, self._expected = state.point, state.free, state.expected
        self._deviation, self._n_amplitudes = state.deviation, state.n_amplitudes
        self._variance = state.variance

    def _add(self) -> bool:
        """Let the edge in that would help most; whether there was one."""
        quadratic = self._penalised(self._allowed)
        added = missing_edge(
            self._minimum(quadratic),
            quadratic.gradient,
            self._free[self._allowed],
            None if self._surcharges is None else self._surcharges.among(self._allowed),
        )
        if added is None:
            return False
        self._free = self._free.copy()
        self._free[np.flatnonzero(self._allowed)[added]] = True
        self.fit()
        return True

    def _no_more_than_the_data_tell(self) -> Bool[np.ndarray, " n_parameters"]:
        """Of the allowed parameters at most one for each two values: α, and the largest of W."""
        n_others = self._problem.n_nodes + int((self._allowed & self._is_of_form).sum())
        most_edges = max(1, self._problem.n_values // 2 - n_others)
        size = np.abs(self._point.parameters)
        if self._surcharges is not None:
            # What is likely beforehand comes first.
            size = size * np.exp(-0.5 * self._surcharges.of(self._point.parameters))
        strength = np.where(self._allowed & self._is_weight, size, -1.0)
        strongest = np.zeros(len(strength), bool)
        strongest[np.argsort(-strength, kind="stable")[:most_edges]] = True
        return self._allowed & (strongest | ~self._is_weight)

    def _penalised_sum(self) -> float:
        """The sum of squares with the prior's share."""
        apart = (self._point.parameters - self._expected)[self._free]
        prior = float(self._penalty[self._free] @ apart**2)
        return self._problem.sum_of_squares(self._point) + prior

    def _penalised(
        self,
        which: Bool[np.ndarray, " n_parameters"],
        deviation: Float[np.ndarray, " n_parameters"] | None = None,
    ) -> Quadratic:
        """The quadratic of these parameters at the point, the prior (or another) included."""
        penalty = self._penalty if deviation is None else self._variance / deviation**2
        pull = penalty * (self._point.parameters - self._expected)
        quadratic = self._problem.linearise(self._point, which)
        return quadratic._replace(
            curvature=quadratic.curvature + np.diag(penalty[which]),
            gradient=quadratic.gradient + pull[which],
        )
