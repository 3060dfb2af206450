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

from dataclasses import replace

import numpy as np

from cellbox.arrays import EdgeMask, Responses
from cellbox.networks.network import Network, possible_edges
from cellbox.networks.off_targets import OFF_TARGET
from cellbox.networks.whole_network import whole
from cellbox.refinement.adaptive_ridge import (
    explain_courses,
    refine_courses,
    residuals_of_courses,
)
from cellbox.refinement.hidden_search import HiddenSearch
from cellbox.refinement.line_search import LineSearch
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.off_target_search import OffTargetSearch
from cellbox.refinement.refined import Refined
from cellbox.refinement.search import Search
from cellbox.threads import in_one_thread

# In larger networks the covariance of all entries of W would take minutes and gigabytes: whole
# courses serve them.
LARGEST_WITH_FREE_STATES = 40

# Measured values for each weight and amplitude that large networks need: what noise there is, is
# told by what an approach over all of them leaves.
_VALUES_PER_UNKNOWN = 2


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


@in_one_thread
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
        search = _kind_of(problem)(problem, start, allowed_edges, leaves_landmarks=leave_landmarks)
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


def _as_it_is(problem: MultipleShooting, network: Network) -> Search:
    """A search that is at a network and changes nothing but free states."""
    search = Search(problem.of_form(network), network, whole(network).weights != 0)
    search.fit_states()
    return search


def _kind_of(problem: MultipleShooting) -> type[Search]:
    if problem.differing is not None:
        return LineSearch
    if OFF_TARGET in problem.form.parts:
        return OffTargetSearch
    return Search if problem.hidden is None else HiddenSearch
