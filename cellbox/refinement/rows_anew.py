"""Rows of W that choose their edges anew, each by itself, at a network that follows the data.

Where data are few, leaving edges out one by one often ends with several edges in the place of one,
none of which can go alone. All networks that follow the data lead to much the same states, and
where these are known, other rows do not matter to a row: near any such network the sum of squares
is a quadratic in a row, whichever edges it has (`cellbox.refinement.row_subsets`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.networks.off_targets import OFF_TARGET
from cellbox.refinement.edge_prices import Surcharges
from cellbox.refinement.edge_selection import price_of
from cellbox.refinement.linearised import Quadratic
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.row_subsets import RowQuadratic, Subset

# log α of a row, which few values may say little of, moves no further at once.
_FURTHEST_LOG_AMPLITUDE = 0.5


class Chosen(NamedTuple):
    """Which parameters may differ from zero, and their values."""

    free: Bool[np.ndarray, " n_parameters"]
    parameters: Float[np.ndarray, " n_parameters"]


class Here(NamedTuple):
    """A network and the sum of squares around it.

    free: parameters that differ from zero. allowed: those that may. quadratic: over the allowed
    ones. sum_of_squares: here. surcharges: what edges cost beside their price, None for nothing.
    """

    problem: MultipleShooting
    parameters: Float[np.ndarray, " n_parameters"]
    free: Bool[np.ndarray, " n_parameters"]
    allowed: Bool[np.ndarray, " n_parameters"]
    quadratic: Quadratic
    sum_of_squares: float
    surcharges: Surcharges | None

    def places_of(self, node: int) -> Int[np.ndarray, " n_places"]:
        """The parameters that are chosen with a row of W, log α behind its weights.

        The last are what doses of other nodes do to this one, or what differs between lines.
        """
        n_nodes, problem = self.problem.n_nodes, self.problem
        own = np.append(np.arange(n_nodes) + node * n_nodes, n_nodes**2 + node)
        if OFF_TARGET in problem.form.parts:
            return np.append(own, problem.off_target_places[node])
        if problem.differing is None:
            return own
        of_node = problem.differing.node_of(n_nodes)
        begin = len(self.parameters) - len(of_node)
        return np.append(own, begin + np.flatnonzero(of_node == node))


def choose_rows_anew(here: Here) -> Chosen:
    """What rows choose, each from the edges that it has and from none, as if all others stayed.

    A row whose node was not measured stays as it is, and so do the numbers of a form but for what
    doses do to other nodes.
    """
    n_values = here.problem.measured.sum(axis=(0, 1))
    free, parameters = here.free.copy(), here.parameters.copy()
    for node in np.flatnonzero(n_values > 0):
        own = here.places_of(int(node))
        own = own[here.allowed[own]]
        row = _quadratic(here, own, int(n_values[node]) // 2)
        now = [*row.stays, *(int(place) for place in np.flatnonzero(row.allowed & here.free[own]))]
        found = min((row.exchanged(one) for one in (now, row.grown())), key=row.criterion)
        free[own] = _marked(found, len(own))
        parameters[own] = row.values(found)
        for place in row.stays:
            before = here.parameters[own[place]]
            parameters[own[place]] = np.clip(
                parameters[own[place]],
                before - _FURTHEST_LOG_AMPLITUDE,
                before + _FURTHEST_LOG_AMPLITUDE,
            )
    return Chosen(free, parameters)


def _quadratic(here: Here, own: np.ndarray, most: int) -> RowQuadratic:
    """The squares as a quadratic in these parameters of a row; log α, if it is fitted, stays.

    own: their places, ascending.
    """
    marked = _marked(own.tolist(), len(here.allowed))
    among = (np.cumsum(here.allowed) - 1)[own]
    values = here.parameters[own]
    curvature = here.quadratic.curvature[np.ix_(among, among)]
    slope = here.quadratic.gradient[among]
    is_amplitude = (own >= here.problem.n_nodes**2) & (
        own < here.problem.n_nodes**2 + here.problem.n_nodes
    )
    return RowQuadratic(
        curvature=curvature,
        wanted=curvature @ values - slope,
        nothing=here.sum_of_squares
        + float(values @ curvature @ values)
        - 2 * float(slope @ values),
        allowed=~is_amplitude,
        stays=tuple(int(place) for place in np.flatnonzero(is_amplitude)),
        n_values=here.problem.n_values,
        most=most,
        price=price_of(here.problem.n_values, 1),
        surcharges=None if here.surcharges is None else here.surcharges.among(marked),
    )


def _marked(subset: Subset, n_places: int) -> Bool[np.ndarray, " n_places"]:
    marked = np.zeros(n_places, bool)
    marked[subset] = True
    return marked
