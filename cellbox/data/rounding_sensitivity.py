"""Which conditions have an answer, and which sit on an unstable ridge between two.

Where a network is multistable, a perturbation may leave it exactly between two of its steady
states, as BF's toggle whose two sides are perturbed alike. What the equations say there, rounding
or an error of 1e-6 in the network turns over: no model can be held to it, nor chosen by it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, Responses, RowMask, Times
from cellbox.equation.network_responses import responses
from cellbox.networks.interventions import Interventions, rows_of
from cellbox.networks.network import Network

#: How far x(0) is moved (log ratio): far above the error of an exact solve, far below any noise.
DISPLACEMENT = 1e-6

#: The least change that counts (log ratio), since without noise every change would.
LEAST_CHANGE = 1e-3

# A row is looked at node by node if one of so many glances shows this share of what counts.
_GLANCES = 3
_SUSPICIOUS = 0.05


def rounding_sensitive_conditions(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    exact: Responses,
    noise: float,
    interventions: Interventions | None = None,
) -> RowMask:
    """Rows whose response changes by more than the noise when a node of x(0) is moved by 1e-6.

    exact: the response from x(0) = 0 (log ratio) at `times` (model time units), from the exact
    solver. noise: standard deviation of a measurement (log ratio); where it is below 1e-3, as
    in data without noise, a change has to exceed 1e-3.

    Each node is moved by itself, in float64, since moving all of them alike keeps the symmetry
    that holds a row on a ridge. A row counts by its largest change over moved nodes, measured
    times and nodes. A row that cannot be solved from one of these starts is rounding-sensitive.
    """
    least = max(noise, LEAST_CHANGE)
    n_rows, n_nodes = perturbations.shape
    glance = _glance(network, perturbations, times, exact, interventions)
    suspected = np.flatnonzero(glance > _SUSPICIOUS * least)
    rows, nodes = np.repeat(suspected, n_nodes), np.tile(np.arange(n_nodes), len(suspected))
    sensitive = np.zeros(n_rows, bool)
    for first in range(0, len(rows), n_rows):
        # Always as many as there are rows, so that the program that made `exact` does this too.
        chosen = np.arange(first, first + n_rows) % len(rows)
        row, start = rows[chosen], DISPLACEMENT * np.eye(n_nodes)[nodes[chosen]]
        done = rows_of(interventions, row)
        change = _change(network, perturbations[row], times, exact[row], start, done)
        sensitive[row[change > least]] = True
    return sensitive


def _glance(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    exact: Responses,
    interventions: Interventions | None,
) -> Float[np.ndarray, " n_rows"]:
    """Each row's largest change (log ratio) after all nodes are moved at once, each differently.

    Most rows are settled by this, and a large network costs a few solves instead of one for
    each node. Two nodes' effects may cancel, hence several glances: that the change is 20
    times too small in all three has a probability below 1e-4.
    """
    random = np.random.default_rng(0)
    starts = DISPLACEMENT * random.standard_normal((_GLANCES, network.n_nodes))
    changes = [
        _change(network, perturbations, times, exact, every, interventions)
        for every in (np.broadcast_to(start, perturbations.shape) for start in starts)
    ]
    return np.max(changes, axis=0)


def _change(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    exact: Responses,
    start: Perturbations,
    interventions: Interventions | None,
) -> Float[np.ndarray, " n_rows"]:
    """How far each row comes to lie from `exact` (log ratio); infinite where it is not solved."""
    if network.form is not None:
        start = start + network.form.values.get("start", 0.0)
    moved = responses(network, perturbations, times, start=start, interventions=interventions)
    change = np.abs(moved - exact).max(axis=(1, 2))
    return np.where(np.isnan(change), np.inf, change)
