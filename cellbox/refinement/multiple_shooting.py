"""Least squares through multiple shooting: the states at the measured times are free as well.

A response is cut at its measured times. The state there is an unknown of its own, tied to what
was measured and, more tightly, to where Eq. 1 leads from the state before:

    Σ (state − measurement)² + Σ (end of interval − state)² / tie²

Interval shooting starts from noisy measurements, which biases W; single shooting cannot follow
responses that sit on an unstable ridge. This does neither: where Eq. 1 contracts, it is single
shooting up to a hundredth of the noise's variance (tie²), and where it expands, an error early on
is taken up by the states in between. (Multiple shooting: Bock 1983; free states with a tie:
weak-constraint variational assimilation, Trémolet 2006.)

States are eliminated row by row, so that each Gauss-Newton step solves for W and log α alone.

The numbers of a form (`cellbox.networks.form`) are parameters behind those, and behind them what
drives its hidden nodes (`cellbox.refinement.hidden_shooting`). States are then as they
would be measured: with the offset of their row, which is taken off where an interval begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import Perturbations, Responses
from cellbox.equation.interval_flow import (
    Flow,
    Forced,
    Intervals,
    Transition,
    ends,
    flow,
    forced,
    transition,
)
from cellbox.equation.interval_pieces import ends_of_pieces, flow_of_pieces, forces_of_pieces
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1
from cellbox.networks.network import Network
from cellbox.networks.whole_network import measured_part, whole
from cellbox.refinement.formed_series import FormedSeries
from cellbox.refinement.line_shooting import by_line
from cellbox.refinement.linearised import Iterate, Quadratic, Ties, tied_states
from cellbox.refinement.measured_flow import (
    as_measured,
    begun,
    offsets_of,
    with_interventions,
)

# How far a state may lie from the end of the interval before it, in units of the noise.
TIGHT = 0.1

# In a step, in units of the noise: a state that was not measured may go wherever the ties lead, but
# for rounding.
_DEVIATION_OF_UNMEASURED = 1e3

_Found = TypeVar("_Found", np.ndarray, Flow, Forced)


@dataclass(frozen=True, eq=False)
class MultipleShooting(FormedSeries):
    """The measured series that a network is to explain, with free states.

    tie: how far a state may lie from the end of the interval before it, in units of the noise.
    """

    tie: float = TIGHT

    def point(self, network: Network) -> Iterate:
        """A network, and the measured states; where none was measured, where the network leads.

        Hidden nodes have no drives of their own yet.
        """
        n_drives = 0 if self.hidden is None else self.hidden.n_drives
        network = network if self.hidden is None else whole(network, self.hidden.n_hidden)
        parameters = np.concatenate([network.weights.ravel(), np.log(network.amplitudes)])
        if self.form:
            known = network.form or FittedForm(EQ_1, {})
            numbers, more = known.numbers(self.form, self.n_nodes), np.zeros(n_drives)
            if self.lines is not None:
                more = self.lines.numbers(known.lines, self.n_nodes)
            parameters = np.concatenate([parameters, numbers, more])
        return self.led(parameters)

    def led(self, parameters: Float[np.ndarray, " n_parameters"]) -> Iterate:
        """Parameters and the measured states; where none was measured, where these lead."""
        states = np.full(self.measurements.shape, np.nan)
        # Where the first interval begins, which no state says.
        every = self._intervals(Iterate(parameters, states))
        state = every.starts[:: len(self.times)]
        offsets = self._offsets(parameters) if self.form else 0.0
        for time in range(len(self.times)):
            if not self.measured[:, time].all():
                own = every.chosen(np.s_[time :: len(self.times)])
                state = self._ends(parameters, own._replace(starts=state)) + offsets
            state = np.where(self.measured[:, time], self.measurements[:, time], state)
            states[:, time] = state
            state = state - offsets
        return Iterate(parameters, states)

    def network(self, point: Iterate, nodes: tuple[str, ...]) -> Network:
        """The network at a point, with hidden nodes where `nodes` are the others."""
        if self.hidden is not None and len(nodes) < self.n_nodes:
            every = self.network(point, (*nodes, *map(str, range(self.hidden.n_hidden))))
            driven = self.hidden.driven(point.parameters)
            return measured_part(every, self.hidden.n_hidden, driven)
        network = Network(nodes, *self._split(point.parameters))
        if not self.form:
            return network
        form = replace(self.form, n_hidden=0)
        fitted = FittedForm.of(form, self._numbers(point.parameters), self.n_nodes)
        if self.differing is not None:
            differences = self.differing.differences(point.parameters, self.n_nodes)
            fitted = replace(fitted, lines=differences)
        return replace(network, form=fitted.kept())

    def sum_of_squares(self, point: Iterate) -> float:
        """What is minimised, in squared log ratio; infinite where the network cannot be solved."""
        # Numbers that overflow give an infinite sum, which is the answer.
        with np.errstate(all="ignore"):
            reached = self._reached(point)
            apart = (reached.reshape(point.states.shape) - point.states) / self.tie
            total = np.sum(self._residuals(point) ** 2) + np.sum(apart**2)
        return float(total) if np.isfinite(total) else np.inf

    def squares_of_rows(self, point: Iterate) -> Float[np.ndarray, " n_rows"]:
        """The sum of squares of each row; infinite where it cannot be solved."""
        with np.errstate(all="ignore"):
            reached = self._reached(point)
            apart = (reached.reshape(point.states.shape) - point.states) / self.tie
            total = (self._residuals(point) ** 2 + apart**2).sum(axis=(1, 2))
        return np.where(np.isfinite(total), total, np.inf)

    def linearise(
        self,
        point: Iterate,
        free: Bool[np.ndarray, " n_parameters"] | None = None,
    ) -> Quadratic:
        """The quadratic that Gauss and Newton minimise at a point.

        free: the parameters that it is about; all by default.
        """
        n_rows, n_times, n_nodes = point.states.shape
        there = self._flow(point)
        by_parameters = there.by_parameters if free is None else there.by_parameters[..., free]
        by_parameters = by_parameters.reshape(n_rows, n_times * n_nodes, -1) / self.tie
        ties = self._ties(point, there)
        sensitivities = ties.whiten @ by_parameters
        flat = sensitivities.reshape(n_rows * n_times * n_nodes, -1)
        return Quadratic(
            curvature=flat.T @ flat,
            gradient=flat.T @ ties.residuals.reshape(-1),
            residuals=ties.residuals,
            sensitivities=sensitivities,
            to_states=ties.to_states,
            misfit=ties.misfit,
        )

    def ties(self, point: Iterate) -> tuple[Flow, Intervals, Ties]:
        """The ties at a point, with the intervals that they come from and where these lead."""
        there = self._flow(point)
        return there, self._intervals(point), self._ties(point, there)

    def ties_of_states(self, point: Iterate) -> Ties:
        """The ties at a point, for what moves its states alone."""
        if self._is_formed:
            return self._ties(point, self._flow(point))
        there = transition(*self._split(point.parameters), self._intervals(point))
        return self._ties(point, there)

    def _ties(self, point: Iterate, there: Flow | Transition) -> Ties:
        """What measurements and ties leave uncertain of the ties, and these in units of it."""
        n_rows, n_times, n_nodes = point.states.shape
        n_values = n_times * n_nodes
        apart = (there.ends.reshape(n_rows, n_values) - point.states.reshape(n_rows, -1)) / self.tie
        by_states = tied_states(there.by_start, len(self.times)) / self.tie
        misfit = self.apart(point).reshape(n_rows, n_values)
        # A tie is uncertain by itself, and by the noise of the measurements that tell its states.
        deviation = self._deviations().reshape(n_rows, 1, -1)
        scaled = by_states * deviation
        # The square root of the covariance, scaled @ scaledᵀ + 1, without that product, which
        # rounding would spoil where a network is unstable.
        own = np.broadcast_to(np.eye(n_values), scaled.shape)
        parts = np.concatenate([np.swapaxes(scaled, 1, 2), own], axis=1)
        whiten = np.linalg.inv(np.swapaxes(np.linalg.qr(parts, mode="r"), 1, 2))
        expected = apart - np.einsum("rvs,rs->rv", by_states, misfit)
        return Ties(
            residuals=(whiten @ expected[..., None])[..., 0],
            whiten=whiten,
            by_states=by_states,
            to_states=-np.swapaxes(whiten @ (scaled * deviation), 1, 2),
            misfit=misfit,
        )

    def _deviations(self) -> Responses:
        """Standard deviations of measured values, in units of the noise."""
        if self.weights is None:
            of_measured = 1.0 / self.root_precision
            found = np.where(self.measured, of_measured, _DEVIATION_OF_UNMEASURED)
        else:
            least = _DEVIATION_OF_UNMEASURED**-2
            weights = np.where(self.measured, np.maximum(self.weights, least), least)
            found = 1.0 / (np.sqrt(weights) * self.root_precision)
        if self.interventions is None:
            return found
        # What is held goes nowhere.
        return found * self.interventions.free[:, None]

    @property
    def _is_formed(self) -> bool:
        """Whether intervals are more than Eq. 1 with doses that last."""
        return bool(self.form) or self.interventions is not None

    def forces(self, point: Iterate, intervals: Intervals) -> Forced:
        """How ends of intervals would move by what the equation has not."""
        if not self._is_formed:
            return forced(*self._split(point.parameters), intervals)
        return self._by_line(forces_of_pieces, point.parameters, intervals)

    def _by_line(
        self,
        program: Callable[..., _Found],
        parameters: Float[np.ndarray, " n_parameters"],
        intervals: Intervals,
    ) -> _Found:
        """What a program of `cellbox.equation.forms` gives, each interval by what its line has."""
        extras = self.form.of_nodes(self._numbers(parameters), self.n_nodes)
        if self.differing is None:
            return program(self.form, *self._split(parameters), extras, intervals)
        each = self.differing.each(parameters, extras, intervals)
        return by_line(program, self.form, each, intervals)

    def _offsets(self, parameters: Float[np.ndarray, " n_parameters"]) -> Perturbations:
        offsets = offsets_of(self.form, self._numbers(parameters), self.perturbations)
        return offsets if self.interventions is None else offsets * self.interventions.free

    def _intervals(self, point: Iterate) -> Intervals:
        """The intervals between measured times, row by row."""
        n_rows, n_times, n_nodes = point.states.shape
        if self.form:
            numbers = self._numbers(point.parameters)
            starts = begun(self.form, numbers, point.states, self._offsets(point.parameters))
        else:
            rest = np.zeros((n_rows, 1, n_nodes))
            starts = np.concatenate([rest, point.states[:, :-1]], axis=1)
        perturbations = np.repeat(self._acting(point.parameters), n_times, axis=0)
        durations = np.tile(np.diff(self.times, prepend=0.0), n_rows)
        intervals = Intervals(starts.reshape(-1, n_nodes), perturbations, durations)
        if self.interventions is None:
            return intervals
        return with_interventions(intervals, self.interventions, self.times)

    def _ends(
        self, parameters: Float[np.ndarray, " n_parameters"], intervals: Intervals
    ) -> Float[np.ndarray, "n_intervals n_nodes"]:
        """Where intervals end, without the offset of their row."""
        if not self._is_formed:
            return ends(*self._split(parameters), intervals)
        return self._by_line(ends_of_pieces, parameters, intervals)

    def _reached(self, point: Iterate) -> Float[np.ndarray, "n_intervals n_nodes"]:
        """Where intervals lead, as it would be measured."""
        reached = self._ends(point.parameters, self._intervals(point))
        if not self.form:
            return reached
        return reached + np.repeat(self._offsets(point.parameters), len(self.times), axis=0)

    def _flow(self, point: Iterate) -> Flow:
        """Where intervals lead, as it would be measured, and the derivatives of that."""
        intervals = self._intervals(point)
        if not self._is_formed:
            return flow(*self._split(point.parameters), intervals)
        there = self._by_line(flow_of_pieces, point.parameters, intervals)
        offsets = self._offsets(point.parameters)
        free = None if self.interventions is None else self.interventions.free
        there = as_measured(self.form, there, self.perturbations, offsets, free)
        if self.differing is not None:
            return self.differing.with_differences(there)
        return there if self.hidden is None else self.hidden.with_drives(there)

    def _residuals(self, point: Iterate) -> Responses:
        """State minus measurement in units of the noise, 0 where nothing was measured."""
        return self.apart(point) * self.root_weights

    def apart(self, point: Iterate) -> Responses:
        """State minus measurement (log ratio), 0 where nothing was measured."""
        with np.errstate(invalid="ignore"):
            return np.where(self.measured, point.states - self.measurements, 0.0)

    def apart_by_errors(self, point: Iterate) -> Responses:
        """The same, times the typical error over that of the value."""
        return self.apart(point) * self.root_precision
