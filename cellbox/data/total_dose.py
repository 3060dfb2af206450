"""What perturbations have in common: an extra node that every condition perturbs by its total dose.

A drug that no training condition holds has no effect in a CellBox model: nothing was learned of
its node. Yet drugs resemble each other (most slow growth down), and a stronger treatment does more
of what all of them do. The node "total dose" lets a network learn that part once, for all drugs,
those that come later included. It is known of every condition before anything is measured.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset
from cellbox.errors import refuse

TOTAL_DOSE = "total dose"

# Where tanh bends: the effect that any treatment has and one that grows with the dose both fit.
LARGEST = 2.5


def with_total_dose(data: Dataset) -> Dataset:
    """The data with the node "total dose" behind the others.

    Its perturbation is Σ|u| over the nodes, the largest of the data being `LARGEST`. It was never
    measured, nothing acts on it, and it acts on every node but activity nodes.

    Raises InputError where a node of that name is there already, or nothing is perturbed.
    """
    n_nodes = data.n_nodes
    total = np.abs(data.perturbations).sum(axis=1)
    if TOTAL_DOSE in data.nodes or not total.any():
        found = "a node of that name" if TOTAL_DOSE in data.nodes else "no perturbation"
        raise refuse(
            data.name,
            f"expected perturbed nodes and none called {TOTAL_DOSE!r}, found {found}",
            "Leave the total dose out",
        )
    allowed = np.zeros((n_nodes + 1, n_nodes + 1), bool)
    allowed[:n_nodes, :n_nodes] = data.possible_edges
    allowed[:n_nodes, n_nodes] = data.measured_nodes
    noise_free, errors, done = data.noise_free, data.errors, data.interventions
    if done is not None and not done.lasting.all():
        found = "expected doses that last, of which there is a total, found some that do not"
        raise refuse(data.name, found, "Leave the total dose out")
    nodes = (*data.nodes, TOTAL_DOSE)
    return replace(
        data,
        nodes=nodes,
        prior=None if data.prior is None else data.prior.among(nodes),
        perturbations=np.column_stack([data.perturbations, LARGEST * total / total.max()]),
        measurements=_with_unknown_node(data.measurements),
        activity_nodes=np.append(data.activity_nodes, True),
        allowed_edges=allowed,
        noise_free=None if noise_free is None else _with_unknown_node(noise_free),
        errors=None if errors is None else _with_unknown_node(errors),
        # The true network has no such node.
        truth=None,
        interventions=None if done is None else done.with_free_node(),
    )


def _with_unknown_node(values: Responses) -> Float[np.ndarray, "n_rows n_times n_nodes_and_one"]:
    return np.pad(values, [(0, 0), (0, 0), (0, 1)], constant_values=np.nan)
