"""A point of multiple shooting, and what the sum of squares and the ties are near it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import Responses


class Iterate(NamedTuple):
    """Where the search is: W row-major, log α and the numbers of a form, and the free states."""

    parameters: Float[np.ndarray, " n_parameters"]
    states: Responses


class Quadratic(NamedTuple):
    """The sum of squares near a point, with its states eliminated.

    After a step it is what it was + 2 gradient·step + step·curvature·step.

    It is about the parameters that are free. The ties, apart + by_parameters·step, are weighted by
    what noise and ties leave uncertain of them: residuals and sensitivities are L⁻¹ of both, where
    L Lᵀ is the covariance. The best step of the states is to_states @ (residuals + sensitivities @
    step) − misfit.
    """

    curvature: Float[np.ndarray, "n_free n_free"]
    gradient: Float[np.ndarray, " n_free"]
    residuals: Float[np.ndarray, "n_rows n_values"]
    sensitivities: Float[np.ndarray, "n_rows n_values n_free"]
    to_states: Float[np.ndarray, "n_rows n_values n_values"]
    misfit: Float[np.ndarray, "n_rows n_values"]

    def moved(
        self,
        point: Iterate,
        free: Bool[np.ndarray, " n_parameters"],
        step: Float[np.ndarray, " n_free"],
    ) -> Iterate:
        """The point after a step of the free parameters, which the states follow."""
        parameters = point.parameters.copy()
        parameters[free] += step
        ties = self.residuals + self.sensitivities @ step
        of_states = (self.to_states @ ties[..., None])[..., 0] - self.misfit
        return Iterate(parameters, point.states + of_states.reshape(point.states.shape))


class Ties(NamedTuple):
    """The ties of all rows near a point, in units of their own uncertainty.

    residuals: L⁻¹ of what they are expected to be at the measured states, where L Lᵀ is their
    covariance: where a network explains the data, independent values with the noise's variance.
    whiten: L⁻¹. by_states: how ties depend on the states. to_states, misfit: as in `Quadratic`.
    """

    residuals: Float[np.ndarray, "n_rows n_values"]
    whiten: Float[np.ndarray, "n_rows n_values n_values"]
    by_states: Float[np.ndarray, "n_rows n_values n_values"]
    to_states: Float[np.ndarray, "n_rows n_values n_values"]
    misfit: Float[np.ndarray, "n_rows n_values"]


def tied_states(
    by_start: Float[np.ndarray, "n_intervals n_nodes n_nodes"], n_times: int
) -> Float[np.ndarray, "n_rows n_values n_values"]:
    """How far states lie from the ends of the intervals before them, by all states of the row.

    by_start: how the end of each interval, row by row, depends on the state where it begins.
    """
    n_nodes = by_start.shape[1]
    by_start = by_start.reshape(-1, n_times, n_nodes, n_nodes)
    blocks = np.zeros((len(by_start), n_times, n_nodes, n_times, n_nodes))
    times, nodes = np.arange(n_times), np.arange(n_nodes)
    blocks[:, times[:, None], nodes, times[:, None], nodes] = -1.0
    for time in range(1, n_times):
        blocks[:, time, :, time - 1] = by_start[:, time]
    return blocks.reshape(len(by_start), n_times * n_nodes, -1)
