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
from cellbox.networks.form import EQ_1, FittedForm, Form
from cellbox.networks.hidden_nodes import HiddenNodes
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.regression_start import regression_residuals, regression_start

# How far a hidden node is taken to move at most, of its amplitude.
_LARGEST = 0.8


def first_guess(
    problem: MultipleShooting, nodes: tuple[str, ...], allowed_edges: EdgeMask | None = None
) -> Network:
    """The network of a regression; hidden nodes, if any, explain most of what that leaves.

    nodes, allowed_edges: of measured nodes.
    """
    if problem.hidden is None:
        return regression_start(problem, nodes, allowed_edges)
    n_hidden, problem = problem.hidden.n_hidden, problem.without_hidden()
    start = regression_start(problem, nodes, allowed_edges)
    left = regression_residuals(problem, start)
    known = np.isfinite(left).all(axis=2)
    values = left[known]
    # Values near an amplitude have inputs that noise makes large.
    middle = np.median(np.abs(values), axis=0)
    values = np.clip(values, -6 * middle, 6 * middle)
    scores, sizes, loadings = np.linalg.svd(values, full_matrices=False)
    n_hidden = min(n_hidden, len(sizes))
    courses = (scores * sizes)[:, :n_hidden]
    largest = np.quantile(np.abs(courses), 0.98, axis=0) / _LARGEST
    hidden = HiddenNodes(
        np.zeros((n_hidden, len(nodes) + n_hidden)),
        loadings[:n_hidden].T * largest,
        (len(problem.perturbations),) * n_hidden,
    )
    form = Form(n_hidden=n_hidden)
    return replace(start, form=replace(FittedForm(EQ_1, {}), form=form, hidden=hidden))
