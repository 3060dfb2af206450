"""The last phase of training: least squares by multiple shooting, and a selection of edges.

Gradient descent finds the neighbourhood of a network but gets no further than its penalties and
its patience allow. From there a few Gauss-Newton steps reach the least-squares network, which is
the most that the data can tell under Gaussian noise; edges that the data do not ask for are left
out (`cellbox.refinement.edge_selection`), in stages, since far from the data W is not determined
and a quadratic not to be trusted; what is left is fitted once more without them. Amplitudes are
taken to be as alike as the data say (`cellbox.refinement.amplitude_pooling`).

That is for small networks, whose states at the measured times can be free. Large ones are fitted
through whole courses (`cellbox.refinement.adaptive_ridge`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeMask, Responses
from cellbox.networks.network import Network, possible_edges
from cellbox.networks.whole_network import whole
from cellbox.refinement.adaptive_ridge import (
    explain_courses,
    refine_courses,
    residuals_of_courses,
)
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
from cellbox.refinement.shared_edges import taken_over
from cellbox.refinement.swaps import best_swaps

# In larger networks the covariance of all entries of W would take minutes and gigabytes: whole
# courses serve them.
LARGEST_WITH_FREE_STATES = 40

# Measured values for each weight and amplitude that large networks need: what noise there is, is
# told by what an approach over all of them leaves.
_VALUES_PER_UNKNOWN = 2

# Standard deviation of a prior on log α that says next to nothing.
_HARDLY_ANY_PRIOR = 10.0

# A first fit leaves the states nearly free, and ties them ever more tightly: from a rough start it
# would else stay in the next best valley.
_TIES = (30.0, 3.0, 0.3, TIGHT)

# A search ends when a step gains less than this share; on the way it need not arrive.
_TOLERANCE, _ON_THE_WAY = 1e-6, 1e-3

# Exchanges of one parameter for another that are tried where there are hidden nodes, and what one
# has to lower the criterion by.
_MOST_SWAPS, _LEAST_GAIN = 3, 0.5

# In one stage no more than this share of the edges is left out.
_SHARE_LEFT_OUT = 0.4
_MOST_STAGES = 20


def obstacle(problem: MultipleShooting, allowed_edges: EdgeMask | None = None) -> str | None:
    """Why these data cannot be refined, in words, or None where they can."""
    n_values, n_nodes = problem.n_values, problem.n_nodes
    if n_values < 4 * n_nodes:
        return f"{n_values} measured values are too few for {n_nodes} nodes"
    unknowns = int(possible_edges(n_nodes, allowed_edges).sum()) + n_nodes
    if is_large(n_nodes) and n_values < _VALUES_PER_UNKNOWN * unknowns:
        return f"{n_values} measured values are too few for {unknowns} weights and amplitudes"
    return None


def is_large(n_nodes: int) -> bool:
    """Whether a network has too many nodes for free states and for covariances of all of W."""
    return n_nodes > LARGEST_WITH_FREE_STATES


def refine(
    problem: MultipleShooting,
    start: Network,
    *,
    allowed_edges: EdgeMask | None = None,
    select_edges: bool = True,
    known: Refined | None = None,
    leave_landmarks: bool = False,
) -> Refined:
    """Refine a network that already explains the data roughly.

    allowed_edges: which entries of W may differ from zero; all by default.
    select_edges: leave out what the data do not ask for; else every allowed edge stays.
    known: what the same led to from another start, with landmarks (`leave_landmarks`). Where this
        one comes to a landmark of it, that is the answer, but for the number of steps; large
        networks have none.

    A network that is too stiff to be solved has an infinite criterion.
    Raises numpy's LinAlgError where the equations of a step have no solution.
    """
    if is_large(problem.n_nodes):
        return refine_courses(
            problem, start, allowed_edges=allowed_edges, select_edges=select_edges
        )
    # A start may be wild: numbers that overflow give an infinite criterion, which says it.
    with np.errstate(all="ignore"):
        search = _Search(problem, start, allowed_edges, leaves_landmarks=leave_landmarks)
        arrived = search.approach(() if known is None else known.landmarks)
        if known is not None and arrived:
            return replace(known, n_steps=search.n_steps)
        if select_edges:
            search.select()
        return search.result(start.nodes)


def explain(problem: MultipleShooting, network: Network) -> Refined:
    """How well a network as it is explains the data; only free states, if any, are fitted."""
    if is_large(problem.n_nodes):
        return explain_courses(problem, network)
    with np.errstate(all="ignore"):
        return _as_it_is(problem, network).result(network.nodes)


def residuals_of(problem: MultipleShooting, network: Network) -> Responses:
    """What a network leaves of each measured value (log ratio); 0 where nothing was measured.

    Where errors are known it is in units of them, times the typical one.
    States are fitted, if they are free. Not finite where the network cannot be solved.
    """
    if is_large(problem.n_nodes):
        return residuals_of_courses(problem, network)
    with np.errstate(all="ignore"):
        return _as_it_is(problem, network).apart[..., : problem.n_nodes]


def _as_it_is(problem: MultipleShooting, network: Network) -> _Search:
    """A search that is at a network and changes nothing but free states."""
    search = _Search(problem.of_form(network), network, whole(network).weights != 0)
    search.fit_states()
    return search


class _State(NamedTuple):
    """Where a search with hidden nodes comes back to."""

    point: Iterate
    free: Bool[np.ndarray, " n_parameters"]
    expected: Float[np.ndarray, " n_parameters"]
    deviation: Float[np.ndarray, " n_parameters"]
    variance: float
    n_amplitudes: float


class _Search:
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
        self._expected[amplitudes] = pool.centre
        self._deviation[amplitudes] = pool.width
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
        """Leave edges out, and let them in, until neither lowers the information criterion."""
        seen: set[bytes] = set()
        # A selection that came up before would come up for ever.
        while self._free.tobytes() not in seen and len(seen) < _MOST_STAGES:
            seen.add(self._free.tobytes())
            if self._problem.hidden is None:
                if not (self._drop() or self._add()):
                    return
            elif not (self._drop_surely() or self._add() or self._exchange() or self._take_over()):
                return

    def result(self, nodes: tuple[str, ...]) -> Refined:
        """What was found."""
        n_values, n_edges = self._problem.n_values, int((self._free & self._is_weight).sum())
        n_of_form = int((self._free & self._is_of_form).sum())
        spare = n_values - n_edges - self._problem.n_nodes - n_of_form
        total = self._problem.sum_of_squares(self._point)
        n_parameters = n_edges + self._n_amplitudes + n_of_form
        network, prices = self._problem.network(self._point, nodes), self._problem.prices
        extra = 0.0 if prices is None else prices.total(network.weights)
        return Refined(
            network=network,
            noise=float(np.sqrt(total / max(1, spare))),
            n_edges=n_edges,
            n_values=n_values,
            n_steps=self.n_steps,
            information=information_criterion(total, n_values, n_parameters) + extra,
            price=price_of(n_values, n_parameters) + extra,
            landmarks=tuple(self.landmarks),
            prior_strength=None if prices is None else prices.strength,
        )

    def _minimum(self, quadratic: Quadratic) -> Minimum:
        return Minimum(quadratic.curvature, self._penalised_sum(), self._problem.n_values)

    def _drop_surely(self) -> bool:
        """Leave out what the quadratic says, as far as the fit without it is better indeed.

        What hidden nodes do is a product, of weights to and from them and of drives, and the
        quadratic may take either factor for the one to leave out. Fewer are tried where the fit is
        worse, and one alone that makes it worse is not asked again.
        """
        most = max(1, int(_SHARE_LEFT_OUT * self._free.sum()))
        while True:
            before, criterion = self._state, self._criterion
            if not self._drop(most):
                return False
            if self._criterion <= criterion:
                return True
            gone = before.free & ~self._free
            self._state = before
            n_gone = int(gone.sum())
            if n_gone == 1:
                self._needed |= gone
            most = max(1, n_gone // 3)

    def _exchange(self) -> bool:
        """Let one parameter in for another, if that lowers what is left; whether one was."""
        allowed, before, criterion = self._allowed, self._state, self._criterion
        quadratic = self._penalised(allowed)
        swaps = best_swaps(
            quadratic.curvature,
            quadratic.gradient,
            self._point.parameters[allowed],
            self._free[allowed],
            ~self._is_amplitude[allowed],
            _MOST_SWAPS,
        )
        places = np.flatnonzero(allowed)
        for swap in swaps:
            self._free = before.free.copy()
            self._free[places[swap.comes]], self._free[places[swap.goes]] = True, False
            parameters = self._point.parameters * self._free
            self._point = self._point._replace(parameters=parameters)
            self.fit()
            if self._criterion < criterion - _LEAST_GAIN:
                return True
            self._state = before
        return False

    def _take_over(self) -> bool:
        """Let hidden nodes stand for edges of sources, if that pays; whether they do.

        Their drives and the weights to them are all free again, since drives may have stood for
        what the sources do.
        """
        problem, n_nodes = self._problem, self._problem.n_nodes
        n_drives = 0 if problem.hidden is None else problem.hidden.n_drives
        n_weights, before, criterion = n_nodes**2, self._state, self._criterion
        weights = self._point.parameters[:n_weights].reshape(n_nodes, n_nodes)
        for moved in taken_over(weights, problem.n_shown, _MOST_SWAPS):
            is_edge = moved != 0
            is_edge[problem.n_shown :] = True
            parameters, free = self._point.parameters.copy(), self._free.copy()
            parameters[:n_weights], free[:n_weights] = moved.ravel(), is_edge.ravel()
            free[len(free) - n_drives :] = True
            self._free = free & self._allowed
            self._point = self._point._replace(parameters=np.where(self._free, parameters, 0.0))
            self.fit()
            while self._drop_surely():
                pass
            if self._criterion < criterion - _LEAST_GAIN:
                return True
            self._state = before
        return False

    @property
    def _criterion(self) -> float:
        """What a selection lowers; the likelihood is that of the penalised fit."""
        n_values = self._problem.n_values
        return information_criterion(self._penalised_sum(), n_values, float(self._free.sum()))

    @property
    def _state(self) -> _State:
        """Where the search is, to come back to."""
        arrays = (self._point, self._free, self._expected.copy(), self._deviation.copy())
        return _State(*arrays, self._variance, self._n_amplitudes)

    @_state.setter
    def _state(self, state: _State) -> None:
        self._point, self._free = state.point, state.free
        self._expected, self._deviation = state.expected.copy(), state.deviation.copy()
        self._variance, self._n_amplitudes = state.variance, state.n_amplitudes

    def _drop(self, most: int | None = None) -> bool:
        """Leave out edges, if the quadratic says so; whether any was.

        most: so many, by default a share of those that are left.
        """
        free = self._free
        quadratic = self._penalised(free)
        n_free = int(free.sum())
        most = max(1, int(_SHARE_LEFT_OUT * n_free)) if most is None else most
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
