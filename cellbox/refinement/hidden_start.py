"""Where a refinement with hidden nodes begins: what a regression leaves in common.

The regression that finds W (`cellbox.refinement.regression_start`) leaves inputs of each measured
interval and node. Hidden nodes act on several nodes alike, so what is left has as many strong
directions: their loadings are the weights of hidden nodes, but for a scale that their amplitude of
1 gives. What tells hidden nodes, and which part of what measured ones seem to do is theirs, the
refinement finds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellbox.arrays import EdgeMask
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1
from cellbox.networks.hidden_nodes import HiddenNodes
from cellbox.networks.network import Network
from cellbox.networks.whole_network import n_hidden_of
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.regression_start import regression_residuals, regression_start

# How far a hidden node is taken to move in nearly all rows, of its amplitude.
_LARGEST, _NEARLY_ALL = 0.8, 0.98

# What a regression leaves counts up to so many times its median.
_MOST_MEDIANS = 6.0

# Times that tell hidden nodes from edges, states that tell what they have in common, and values
# for each unknown.
_FEWEST_TIMES, _FEWEST_STATES, _VALUES_PER_UNKNOWN = 2, 10, 2


def first_guess(
    problem: MultipleShooting, nodes: tuple[str, ...], allowed_edges: EdgeMask | None = None
) -> Network:
    """The network of a regression; hidden nodes, if any, explain most of what that leaves.

    nodes, allowed_edges: of measured nodes.
    """
    start = regression_start(problem.without_hidden(), nodes, allowed_edges)
    return with_hidden_guess(problem, start)


def with_hidden_guess(problem: MultipleShooting, start: Network) -> Network:
    """A network with the hidden nodes that a problem has, where it has none of its own."""
    if problem.hidden is None or n_hidden_of(start):
        return start
    left = regression_residuals(problem.without_hidden(), start)
    values = left[np.isfinite(left).all(axis=2)]
    n_hidden = min(problem.hidden.n_hidden, *values.shape)
    if not n_hidden:
        return start
    # Values near an amplitude have inputs that noise makes large.
    most = _MOST_MEDIANS * np.median(np.abs(values), axis=0)
    scores, sizes, loadings = np.linalg.svd(np.clip(values, -most, most), full_matrices=False)
    courses = (scores * sizes)[:, :n_hidden]
    largest = np.quantile(np.abs(courses), _NEARLY_ALL, axis=0) / _LARGEST
    hidden = HiddenNodes(
        np.zeros((n_hidden, start.n_nodes + n_hidden)),
        loadings[:n_hidden].T * largest,
        (len(problem.perturbations),) * n_hidden,
    )
    fitted = start.form or FittedForm(EQ_1, {})
    form = replace(fitted, form=replace(fitted.form, n_hidden=n_hidden), hidden=hidden)
    return replace(start, form=form)


def hidden_obstacle(problem: MultipleShooting) -> str | None:
    """Why these data cannot tell hidden nodes, in words, or None where they can.

    problem: without hidden nodes.
    """
    n_rows, n_times, n_nodes = problem.measurements.shape
    if n_times < _FEWEST_TIMES:
        return (
            "values of one time do not tell a node that is not measured from edges between those "
            "that are"
        )
    if np.isfinite(problem.measurements).all(axis=2).sum() < _FEWEST_STATES:
        return "all nodes were measured together too seldom"
    unknowns = (n_nodes + 1) ** 2 + n_nodes + n_rows
    if problem.n_values < _VALUES_PER_UNKNOWN * unknowns:
        return (
            f"{problem.n_values} measured values are too few for {unknowns} unknowns with a node "
            "more, and a drive of it in each row"
        )
    return None
